/** The API: one REST API in which every answer streams (docs/decisions/0026), and the function behind it. */
import { handler } from './handler.ts'
import { secretsOf } from './secrets.ts'
import { placesOf, type Shared } from './worker.ts'

const RETENTION = { 7: '1 week', 90: '3 months' } as const

export function api(shared: Shared) {
  const { plan, store, queue, boxes } = shared
  const fn = handler('api', {
    entry: 'api',
    size: plan.api,
    plan,
    streaming: true,
    rights: [...queue.send, ...boxes.askSandbox, ...boxes.askCarrier, ...store.use],
    environment: { ...placesOf(shared), ...secretsOf('api') },
  })
  const rest = new sst.aws.ApiGatewayV1('Rest', {
    endpoint: { type: 'regional' },
    // CORS is the function's own business: off unless STINT_CORS_ORIGINS names somebody.
    cors: false,
    accessLog: { retention: RETENTION[plan.logDays as keyof typeof RETENTION] },
  })
  rest.route('ANY /{proxy+}', fn.arn, {
    streaming: true,
    transform: {
      // Left alone API Gateway ends every answer after 29 seconds.
      integration: { timeoutMilliseconds: plan.api.timeoutS * 1000 },
    },
  })
  rest.deploy()
  const stage = rest.nodes.stage as aws.apigateway.Stage
  new aws.apigateway.MethodSettings('RestThrottle', {
    restApi: rest.nodes.api.id,
    stageName: stage.stageName,
    methodPath: '*/*',
    settings: {
      throttlingRateLimit: plan.api.ratePerSecond,
      throttlingBurstLimit: plan.api.burst,
      metricsEnabled: true,
      // Bodies hold tasks and code.
      dataTraceEnabled: false,
    },
  })
  return { fn, rest, stage, url: rest.url }
}
export type Api = ReturnType<typeof api>
