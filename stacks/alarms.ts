/** Alarms and dashboard, made of the one table. */
import { type Alarm, alarmsFor, type Where } from './alarm-table.ts'
import type { Api } from './api.ts'
import { nameOf } from './handler.ts'
import type { Plan } from './plan.ts'
import type { Queues } from './queue.ts'

const NAMESPACE: Record<Where, string> = { lambda: 'AWS/Lambda', queue: 'AWS/SQS', api: 'AWS/ApiGateway' }

export function alarms(plan: Plan, { queue, face }: { queue: Queues; face: Api }) {
  const topic = new aws.sns.Topic('Alerts', { name: nameOf('alerts') })
  const email = process.env.STINT_ALERT_EMAIL
  if (email) new aws.sns.TopicSubscription('AlertsByMail', { topic: topic.arn, protocol: 'email', endpoint: email })
  const table = alarmsFor(plan)
  const dimensionsOf = ({ where, of = '' }: Alarm): Record<string, $util.Input<string>> =>
    where === 'lambda'
      ? { FunctionName: nameOf(of) }
      : where === 'api'
        ? { ApiName: face.rest.nodes.api.name, Stage: face.stage.stageName }
        : { QueueName: queue[of as 'dead' | 'wakes'].nodes.queue.name }

  for (const alarm of table) {
    const { name, title, where, metric, statistic, from, below, periodS, periods, silenceIsBad } = alarm
    new aws.cloudwatch.MetricAlarm(`alarm-${name}`, {
      name: nameOf(name),
      alarmDescription: `${title}. What to do: docs/operations/${name}.md`,
      namespace: NAMESPACE[where],
      metricName: metric,
      dimensions: dimensionsOf(alarm),
      statistic,
      period: periodS,
      evaluationPeriods: periods,
      threshold: from ?? below ?? 0,
      comparisonOperator: from === undefined ? 'LessThanThreshold' : 'GreaterThanOrEqualToThreshold',
      treatMissingData: silenceIsBad ? 'breaching' : 'notBreaching',
      alarmActions: [topic.arn],
      okActions: [topic.arn],
    })
  }

  const region = aws.getRegionOutput().region
  new aws.cloudwatch.Dashboard('Board', {
    dashboardName: nameOf('board'),
    dashboardBody: $jsonStringify({
      widgets: table.map((alarm, i) => ({
        type: 'metric',
        ...{ x: (i % 4) * 6, y: Math.floor(i / 4) * 5, width: 6, height: 5 },
        properties: {
          title: alarm.title,
          region,
          stat: alarm.statistic,
          period: alarm.periodS,
          metrics: [[NAMESPACE[alarm.where], alarm.metric, ...Object.entries(dimensionsOf(alarm)).flat()]],
          annotations: { horizontal: [{ label: alarm.name, value: alarm.from ?? alarm.below }] },
        },
      })),
    }),
  })
  return { topic }
}
