/**
 * The sandbox-runner's image twice. `sandbox` runs what the model asks for: an execution environment per run and never
 * shared with another (PER_TENANT), in a network that leads nowhere but to the bucket, and with a role that its own code
 * cannot use. What it may store it is told by addresses that the worker signs, for one object each. `carrier` fetches and
 * pushes: it reaches the outside, and gets what a call needs with that call.
 */
import { identity, nameOf, type Right } from './handler.ts'
import type { Plan, Size } from './plan.ts'
import type { Storage } from './storage.ts'

export function sandboxes(plan: Plan, store: Storage) {
  const account = aws.getCallerIdentityOutput().accountId
  const region = aws.getRegionOutput().region
  const network = closedNetwork(store, account, region)
  const image = imageUri()
  const arnOf = (part: string) => $interpolate`arn:aws:lambda:${region}:${account}:function:${nameOf(part)}`

  const ec2 = (kind: string) => $interpolate`arn:aws:ec2:${region}:${account}:${kind}`
  /** Lambda puts the function into its network by these, in the role's name. */
  const join: Right[] = [
    {
      actions: ['ec2:CreateNetworkInterface'],
      resources: [...network.subnets.map(({ arn }) => arn), network.group.arn, ec2('network-interface/*')],
    },
    {
      actions: ['ec2:DeleteNetworkInterface', 'ec2:AssignPrivateIpAddresses', 'ec2:UnassignPrivateIpAddresses'],
      resources: [ec2('network-interface/*')],
    },
    // EC2 knows no narrower resource for looking.
    {
      actions: [
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:DescribeSecurityGroups',
        'ec2:DescribeVpcs',
      ],
      resources: ['*'],
    },
  ]
  /** What runs inside cannot use the role at all, whatever the role may. */
  const nothing = (part: string) => ({
    Effect: 'Deny',
    Action: '*',
    Resource: '*',
    Condition: { ArnEquals: { 'lambda:SourceFunctionArn': arnOf(part) } },
  })

  const box = (part: 'sandbox' | 'carrier', size: Size & { diskMb: number }, rights: Right[], extra: object) => {
    const { logs, role } = identity(part, plan, rights, [nothing(part)])
    const fn = new aws.lambda.Function(part, {
      name: nameOf(part),
      packageType: 'Image',
      imageUri: image,
      role: role.arn,
      architectures: ['arm64'],
      memorySize: size.memoryMb,
      timeout: size.timeoutS,
      reservedConcurrentExecutions: size.reserved,
      ephemeralStorage: { size: size.diskMb },
      loggingConfig: { logFormat: 'Text', logGroup: logs.name },
      environment: { variables: { STINT_HOME: '/tmp/stint', STINT_PART: part } },
      ...extra,
    })
    return fn
  }
  const sandbox = box('sandbox', plan.sandbox, join, {
    tenancyConfig: { tenantIsolationMode: 'PER_TENANT' },
    vpcConfig: { subnetIds: network.subnets.map(({ id }) => id), securityGroupIds: [network.group.id] },
  })
  const carrier = box('carrier', plan.carrier, [], {})
  const ask = ({ arn }: aws.lambda.Function): Right[] => [{ actions: ['lambda:InvokeFunction'], resources: [arn] }]
  return { sandbox, carrier, askSandbox: ask(sandbox), askCarrier: ask(carrier) }
}
export type Sandboxes = ReturnType<typeof sandboxes>

/** A network without a way out: no internet gateway, no NAT, and one door, to the objects of our bucket. */
function closedNetwork({ objects }: Storage, account: $util.Input<string>, region: $util.Input<string>) {
  const vpc = new aws.ec2.Vpc('Closed', {
    cidrBlock: '10.77.0.0/16',
    enableDnsSupport: true,
    enableDnsHostnames: false,
  })
  const zones = aws.getAvailabilityZonesOutput({ state: 'available' }).names
  const routes = new aws.ec2.RouteTable('ClosedRoutes', { vpcId: vpc.id, routes: [] })
  const subnets = [0, 1].map((i) => {
    const subnet = new aws.ec2.Subnet(`Closed${i}`, {
      vpcId: vpc.id,
      cidrBlock: `10.77.${i * 64}.0/18`,
      availabilityZone: zones[i] as $util.Output<string>,
      mapPublicIpOnLaunch: false,
    })
    new aws.ec2.RouteTableAssociation(`Closed${i}Routes`, { subnetId: subnet.id, routeTableId: routes.id })
    return subnet
  })
  const door = new aws.ec2.VpcEndpoint('ClosedDoor', {
    vpcId: vpc.id,
    serviceName: $interpolate`com.amazonaws.${region}.s3`,
    vpcEndpointType: 'Gateway',
    routeTableIds: [routes.id],
    policy: $jsonStringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: '*',
          Action: ['s3:GetObject', 's3:PutObject'],
          Resource: [objects],
          // Nobody else's credentials carry anything through it.
          Condition: { StringEquals: { 'aws:PrincipalAccount': account } },
        },
      ],
    }),
  })
  const group = new aws.ec2.SecurityGroup('ClosedGroup', {
    vpcId: vpc.id,
    description: 'the sandbox: nothing in, nothing out but to S3',
    ingress: [],
    egress: [{ protocol: 'tcp', fromPort: 443, toPort: 443, prefixListIds: [door.prefixListId] }],
  })
  return { subnets, group }
}

/** By its digest, so that what was checked is what runs. `npm run deploy` builds, pushes and names it. */
function imageUri(): string {
  const uri = process.env.SANDBOX_IMAGE_URI ?? ''
  if (!/^[\w.-]+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com\/[\w./-]+@sha256:[0-9a-f]{64}$/.test(uri))
    throw new Error('SANDBOX_IMAGE_URI must be an image in ECR by its digest (…@sha256:…); npm run deploy sets it')
  return uri
}
