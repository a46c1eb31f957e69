/**
 * One function with exactly the rights it is given. SST's own role would let the whole account take it on, and its links
 * grant every action of a service; so role and log group are made here, and nothing is linked.
 */
import type { Plan, Size } from './plan.ts'

type Arn = $util.Input<string>
export type Right = { actions: string[]; resources: Arn[] }

/** The name as AWS has it, known before the function is there. */
export const nameOf = (part: string): string => `${$app.name}-${$app.stage}-${part}`

/** The function's identity: what it may do, and where it may write its log. */
export function identity(part: string, { logDays }: Plan, rights: Right[], denied: object[] = []) {
  const logs = new aws.cloudwatch.LogGroup(`${part}-logs`, {
    name: `/aws/lambda/${nameOf(part)}`,
    retentionInDays: logDays,
  })
  const write = { actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [$interpolate`${logs.arn}:*`] }
  const allowed = [write, ...rights].map(({ actions, resources }) => ({
    Effect: 'Allow',
    Action: actions,
    Resource: resources,
  }))
  const role = new aws.iam.Role(`${part}-role`, {
    assumeRolePolicy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'lambda.amazonaws.com' } }],
    }),
    inlinePolicies: [
      { name: 'rights', policy: $jsonStringify({ Version: '2012-10-17', Statement: [...allowed, ...denied] }) },
    ],
  })
  return { logs, role }
}

export type HandlerArgs = {
  /** The folder under dist/, as scripts/build.ts names it. */
  entry: 'api' | 'worker' | 'cron'
  exported?: string
  size: Size
  plan: Plan
  rights: Right[]
  environment: Record<string, $util.Input<string>>
  streaming?: boolean
}

export function handler(part: string, args: HandlerArgs): sst.aws.Function {
  const { entry, exported = 'handler', size, plan, rights, environment, streaming = false } = args
  const { logs, role } = identity(part, plan, rights)
  return new sst.aws.Function(part, {
    name: nameOf(part),
    bundle: `dist/${entry}`,
    handler: `index.${exported}`,
    runtime: 'nodejs24.x',
    architecture: 'arm64',
    memory: `${size.memoryMb} MB`,
    timeout: `${size.timeoutS} seconds`,
    concurrency: { reserved: size.reserved },
    role: role.arn,
    logging: { logGroup: logs.name, format: 'text' },
    streaming,
    // Its state is elsewhere; this is for what is thrown away.
    environment: { STINT_HOME: '/tmp/stint', ...environment },
  })
}

/** AWS ends a chain of 16 between queue and function as a loop; ours is one by design, with guards of its own. */
export const mayRecur = (part: string, { name }: sst.aws.Function) =>
  new aws.lambda.FunctionRecursionConfig(`${part}-recursion`, { functionName: name, recursiveLoop: 'Allow' })
