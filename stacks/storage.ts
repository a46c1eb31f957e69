/** Where snapshots of workspaces are kept. Nobody reads the bucket but functions that say so, and never without TLS. */
import type { Right } from './handler.ts'
import type { Plan } from './plan.ts'

export const PREFIX = 'snapshots'

export function storage({ archiveAfterDays, expireAfterDays }: Plan) {
  const bucket = new sst.aws.Bucket('Snapshots', {
    enforceHttps: true,
    cors: false,
    transform: {
      bucket: { forceDestroy: $app.removal === 'remove' },
    },
  })
  new aws.s3.BucketLifecycleConfiguration('SnapshotsLifecycle', {
    bucket: bucket.name,
    rules: [
      // What an upload left behind that was broken off.
      { id: 'uploads', status: 'Enabled', filter: {}, abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } },
      {
        id: 'cheaper',
        status: 'Enabled',
        filter: { prefix: `${PREFIX}/` },
        transitions: [{ days: archiveAfterDays, storageClass: 'INTELLIGENT_TIERING' }],
        ...(expireAfterDays ? { expiration: { days: expireAfterDays } } : {}),
      },
    ],
  })
  const objects = $interpolate`${bucket.arn}/${PREFIX}/*`
  // Who may not list is told of a missing object that it is forbidden.
  const listing: Right = { actions: ['s3:ListBucket'], resources: [bucket.arn] }
  const may = (...actions: string[]): Right[] => [{ actions, resources: [objects] }, listing]
  return {
    bucket,
    objects,
    address: $interpolate`s3://${bucket.name}/${PREFIX}`,
    /** What a function needs that works on snapshots, or signs addresses with which the sandbox does. */
    use: may('s3:GetObject', 's3:PutObject', 's3:DeleteObject'),
    /** What removing those that nothing names needs; it notes itself as a user of the bucket first. */
    remove: may('s3:PutObject', 's3:DeleteObject'),
  }
}
export type Storage = ReturnType<typeof storage>
