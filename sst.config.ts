/// <reference path="./.sst/platform/config.d.ts" />
/** Stint on AWS: what there is stands in stacks/, how large it is in stacks/plan.ts. `npm run deploy -- --stage NAME`. */
export default $config({
  app: ({ stage }) => ({
    name: 'stint',
    home: 'aws',
    // What people would miss stays when production is removed; a stage to try things leaves nothing.
    removal: stage === 'production' ? 'retain' : 'remove',
    protect: stage === 'production',
    providers: {
      aws: {
        region: (process.env.AWS_REGION ?? 'us-east-1') as 'us-east-1',
        defaultTags: { tags: { app: 'stint', stage } },
      },
    },
  }),
  async run() {
    const { planFor } = await import('./stacks/plan.ts')
    const plan = planFor($app.stage)
    const { storage } = await import('./stacks/storage.ts')
    const { queues } = await import('./stacks/queue.ts')
    const { sandboxes } = await import('./stacks/sandbox.ts')
    const { workers } = await import('./stacks/worker.ts')
    const { timer } = await import('./stacks/schedule.ts')
    const { api } = await import('./stacks/api.ts')
    const { console } = await import('./stacks/console.ts')
    const { alarms } = await import('./stacks/alarms.ts')

    const store = storage(plan)
    const queue = queues(plan)
    const boxes = sandboxes(plan, store)
    const shared = { plan, store, queue, boxes }
    workers(shared)
    timer(shared)
    const face = api(shared)
    const front = console(plan, face)
    const { topic } = alarms(plan, { queue, face })
    return { url: front.url, api: face.url, bucket: store.bucket.name, alerts: topic.arn }
  },
})
