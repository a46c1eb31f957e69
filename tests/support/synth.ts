/**
 * Runs sst.config.ts with SST's real components and Pulumi's own mocks in place of an account, and writes down every
 * resource with what it was given. A program of its own, because SST keeps state per process, and because what fails in
 * an `apply` is told nowhere but here: `node tests/support/synth.ts OUT.json JSON`. Needs .sst/platform (`npx sst install`).
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

export type Edit = { file: string; from: string; to: string }
export type Asked = { stage: string; edit?: Edit; env?: Record<string, string>; bundles: string }
export type Resource = { type: string; name: string; inputs: Record<string, unknown> }
export type Built = { functionID: string; handler: string; bundle?: string; runtime: string; links: object }
export type Synth = { resources: Resource[]; built: Built[]; outputs: Record<string, unknown>; failures: string[] }

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PLATFORM = join(ROOT, '.sst/platform')
const ACCOUNT = '000000000000'
const REGION = 'us-east-1'
/** A failure that is told late, and a run that hangs because of it. */
const LATE_MS = 300
const SYNTH_MS_MAX = 120_000

type Given = { type: string; name: string; inputs: Record<string, unknown>; id?: string }
type Called = { token: string; inputs: Record<string, unknown> }

/** What AWS would have answered: enough that whatever is derived from it can be told apart. */
function stateOf({ type, name, inputs }: Given): Record<string, unknown> {
  const service = type.split(/[:/]/)[1] ?? ''
  const own = String(inputs.name ?? name)
  const arn =
    {
      'aws:iam/role:Role': `arn:aws:iam::${ACCOUNT}:role/${own}`,
      'aws:lambda/function:Function': `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${own}`,
      'aws:s3/bucket:Bucket': `arn:aws:s3:::${name.toLowerCase()}`,
      'aws:cloudwatch/logGroup:LogGroup': `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${own}`,
    }[type] ?? `arn:aws:${service}:${REGION}:${ACCOUNT}:${own}`
  const more: Record<string, Record<string, unknown>> = {
    'aws:sqs/queue:Queue': { url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${own}` },
    'aws:lambda/function:Function': { invokeArn: `${arn}/invocations`, qualifiedArn: `${arn}:1` },
    'aws:apigateway/restApi:RestApi': {
      executionArn: `arn:aws:execute-api:${REGION}:${ACCOUNT}:abc`,
      rootResourceId: 'root',
    },
    'aws:apigateway/account:Account': { cloudwatchRoleArn: '' },
    'aws:s3/bucket:Bucket': {
      bucket: name.toLowerCase(),
      bucketRegionalDomainName: `${name.toLowerCase()}.s3.${REGION}.amazonaws.com`,
    },
    'aws:ec2/vpcEndpoint:VpcEndpoint': { prefixListId: 'pl-s3' },
    'aws:cloudfront/distribution:Distribution': { domainName: 'd111111abcdef8.cloudfront.net' },
    'random:index/randomBytes:RandomBytes': { base64: Buffer.alloc(32, 7).toString('base64') },
  }
  return { ...inputs, arn: inputs.arn ?? arn, name: own, ...more[type] }
}

function answerOf({ token, inputs }: Called): Record<string, unknown> {
  const known: Record<string, Record<string, unknown>> = {
    getRegion: { region: REGION, name: REGION, id: REGION },
    getPartition: { partition: 'aws' },
    getCallerIdentity: { accountId: ACCOUNT },
    getAvailabilityZones: { names: ['us-east-1a', 'us-east-1b'], zoneIds: ['1', '2'] },
  }
  const name = token.split(':').at(-1) ?? ''
  if (name !== 'getPolicyDocument') return known[name] ?? inputs
  const statements = (inputs.statements ?? []) as Record<string, unknown>[]
  const Statement = statements.map(({ effect, actions, resources, principals, conditions }) => ({
    Effect: effect ?? 'Allow',
    Action: actions,
    Resource: resources,
    Principal: principals,
    Condition: conditions,
  }))
  return {
    statements: statements.length > 0 ? statements : undefined,
    json: JSON.stringify({ Version: '2012-10-17', Statement }),
  }
}

/** What SST's own program answers to its components. */
async function rpcServer(built: Built[], bundles: string): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += String(part)
    const { method, params } = JSON.parse(body) as { method: string; params: [Built] }
    const answers: Record<string, () => object> = {
      'Provider.Aws.Bootstrap': () => ({
        asset: 'asset',
        assetEcrRegistryId: ACCOUNT,
        assetEcrUrl: 'ecr',
        state: 'state',
      }),
      'Runtime.Build': () => {
        built.push(params[0])
        return { handler: params[0].handler, out: bundles, errors: [], sourcemaps: [] }
      },
    }
    const answer = answers[method]
    response.end(JSON.stringify(answer ? { result: answer() } : { error: `there is no ${method} here` }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

/** One module of config, stacks and SST's components, as SST itself puts it together (pkg/project/run.go). */
async function bundle({ stage, edit }: Asked, outfile: string): Promise<void> {
  const providers = JSON.parse(readFileSync(join(ROOT, '.sst/provider-lock.json'), 'utf8')) as {
    alias: string
    package: string
  }[]
  const globals = [
    ...providers.map(({ alias, package: name }) => `import * as ${alias} from "${name}";`),
    `import * as sst from "${PLATFORM}/src/components";`,
    `import * as $util from "@pulumi/pulumi";`,
  ].join('\n')
  let edited = edit === undefined
  const read = (path: string): string => {
    const text = readFileSync(path, 'utf8')
    if (!edit || path !== join(ROOT, edit.file)) return text
    if (text.split(edit.from).length !== 2) throw new Error(`${edit.file} has not exactly one: ${edit.from}`)
    edited = true
    return text.replace(edit.from, () => edit.to)
  }
  const removal = stage === 'production' ? 'retain' : 'remove'
  await build({
    stdin: {
      resolveDir: ROOT,
      sourcefile: 'synth.ts',
      loader: 'ts',
      contents: `import * as pulumi from "@pulumi/pulumi"; import { run } from "${PLATFORM}/src/auto/run.ts"; import mod from "${ROOT}sst.config.ts";
        export async function go(mocks) {
          await pulumi.runtime.setMocks(mocks, "stint", "${stage}", false, "organization");
          const outputs = await pulumi.runtime.runInPulumiStack(() => run(mod.run));
          await pulumi.runtime.disconnect();
          return { outputs, app: mod.app({ stage: "${stage}" }) };
        }`,
    },
    banner: {
      js: `import{createRequire as cr}from"node:module";import{fileURLToPath as fu}from"node:url";const require=cr(import.meta.url),__filename=fu(import.meta.url),__dirname=fu(new URL(".",import.meta.url));`,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    outfile,
    logLevel: 'error',
    nodePaths: [join(PLATFORM, 'node_modules')],
    inject: [join(PLATFORM, 'src/shim/run.js')],
    define: {
      $app: JSON.stringify({ name: 'stint', stage, removal, protect: false, home: 'aws', providers: {} }),
      $cli: JSON.stringify({
        command: 'diff',
        dev: false,
        paths: { home: '/tmp', root: ROOT.replace(/\/$/, ''), work: join(ROOT, '.sst'), platform: PLATFORM },
        state: { version: {} },
      }),
      $dev: 'false',
    },
    external: [
      '@pulumi/*',
      '@pulumiverse/*',
      '@sst-provider/*',
      '@aws-sdk/*',
      'undici',
      'esbuild',
      'archiver',
      'glob',
      'vite',
    ],
    plugins: [
      {
        name: 'globals',
        setup: (b) =>
          b.onLoad({ filter: /\.[jt]sx?$/ }, ({ path }) =>
            path.startsWith(join(ROOT, '.sst')) || path.includes('node_modules')
              ? undefined
              : { contents: `${globals}\n${read(path)}`, loader: extname(path).slice(1) as 'ts' },
          ),
      },
    ],
  })
  if (!edited) throw new Error(`${edit?.file} is not loaded`)
}

/** Outputs that SST marks as secret come wrapped. */
function bare(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('4dabf18193072939515e22adb298388d' in value && 'value' in value) return bare(value.value)
  if (Array.isArray(value)) return value.map(bare)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bare(inner)]))
}

async function main(out: string, asked: Asked): Promise<void> {
  const synth: Synth = { resources: [], built: [], outputs: {}, failures: [] }
  const finish = () => {
    writeFileSync(out, JSON.stringify(synth))
    process.exit(0)
  }
  const failed = (error: unknown) => void synth.failures.push((error as Error)?.message ?? String(error))
  process.on('unhandledRejection', (error) => {
    failed(error)
    setTimeout(finish, LATE_MS)
  })
  setTimeout(() => {
    failed('no result in time')
    finish()
  }, SYNTH_MS_MAX).unref()
  Object.assign(process.env, asked.env, { SST_SERVER: await rpcServer(synth.built, asked.bundles) })
  const file = join(PLATFORM, `synth.${process.pid}.mjs`)
  try {
    await bundle(asked, file)
    const { go } = (await import(pathToFileURL(file).href)) as { go(mocks: object): Promise<{ outputs: object }> }
    const { outputs } = await go({
      newResource(given: Given) {
        // What is only looked up is there already.
        if (!given.id) synth.resources.push({ type: given.type, name: given.name, inputs: bare(given.inputs) as never })
        return { id: given.id || `${given.name}-id`, state: stateOf(given) }
      },
      call: answerOf,
    })
    await new Promise((resolve) => setTimeout(resolve, LATE_MS))
    synth.outputs = bare(outputs) as Synth['outputs']
  } catch (error) {
    failed(error)
  } finally {
    if (existsSync(file)) rmSync(file)
  }
  finish()
}

const [, , out, json] = process.argv
if (out && json) await main(out, JSON.parse(json) as Asked)
