/**
 * What Lambda's Node runtime offers a streaming function, as aws-lambda-ric 4 has it: `awslambda.streamifyResponse`, and
 * a response whose first bytes are a prelude (status and headers in JSON, then eight zero bytes), which API Gateway and
 * function URLs take off again. Import it before the function's entry: that asks for it at once.
 */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'

type Prelude = { statusCode: number; headers: Record<string, string>; cookies?: string[] }
export type Handler = (event: object, stream: Writable, context: object) => Promise<void>
export type Answer = {
  status: number
  headers: Record<string, string>
  body: string
  /** Set as soon as the first byte that is no prelude is there. */
  chunks: string[]
}

class ResponseStream extends Writable {
  readonly written: Buffer[] = []
  prelude: Prelude | undefined

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk)
    done()
  }

  static from(stream: ResponseStream, prelude: Prelude): ResponseStream {
    assert.deepEqual(stream.written, [], 'the prelude comes first')
    stream.prelude = JSON.parse(JSON.stringify(prelude)) as Prelude
    return stream
  }
}

Object.assign(globalThis, {
  awslambda: { streamifyResponse: (handler: Handler) => handler, HttpResponseStream: ResponseStream },
})

/** Invokes a streaming function; `seen` is called with what has been streamed so far. */
export async function invoke(
  handler: unknown,
  event: object,
  { remainingMs = 30_000, seen }: { remainingMs?: number; seen?: (text: string) => void } = {},
): Promise<Answer> {
  const stream = new ResponseStream()
  const end = Date.now() + remainingMs
  const text = () => Buffer.concat(stream.written).toString()
  const write = stream._write.bind(stream)
  stream._write = (chunk: Buffer, encoding, done) => {
    write(chunk, encoding, done)
    seen?.(text())
  }
  await (handler as Handler)(event, stream, { getRemainingTimeInMillis: () => end - Date.now() })
  assert.ok(stream.writableEnded, 'the response has an end')
  assert.ok(stream.prelude, `an answer without a prelude is a 502: ${text()}`)
  const { statusCode: status, headers } = stream.prelude
  return { status, headers, body: text(), chunks: stream.written.map(String) }
}

type Asked = {
  method?: string
  path: string
  query?: Record<string, string>
  body?: object
  key?: string
  headers?: object
}
const headersOf = ({ key, body, headers = {} }: Asked, host: string): Record<string, string> => ({
  accept: '*/*',
  host,
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-port': '443',
  'x-forwarded-proto': 'https',
  ...(body ? { 'content-type': 'application/json' } : {}),
  ...(key ? { authorization: `Bearer ${key}` } : {}),
  ...headers,
})

/** As a REST API hands a request to its proxy integration (payload format 1.0). */
export function restEvent(asked: Asked): object {
  const { method = 'GET', path, query, body } = asked
  const headers = headersOf(asked, 'a1b2c3d4e5.execute-api.us-east-1.amazonaws.com')
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: method,
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    queryStringParameters: query ?? null,
    multiValueQueryStringParameters: query
      ? Object.fromEntries(Object.entries(query).map(([name, value]) => [name, [value]]))
      : null,
    pathParameters: { proxy: path.slice(1) },
    stageVariables: null,
    requestContext: {
      resourceId: 'abc123',
      resourcePath: '/{proxy+}',
      httpMethod: method,
      path: `/live${path}`,
      accountId: '000000000000',
      protocol: 'HTTP/1.1',
      stage: 'live',
      domainName: 'a1b2c3d4e5.execute-api.us-east-1.amazonaws.com',
      requestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
      identity: { sourceIp: '203.0.113.7', userAgent: 'test' },
      apiId: 'a1b2c3d4e5',
    },
    body: body ? JSON.stringify(body) : null,
    isBase64Encoded: false,
  }
}

/** As a function URL hands it on (payload format 2.0); bodies come in base64. */
export function urlEvent(asked: Asked): object {
  const { method = 'GET', path, query = {}, body } = asked
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: new URLSearchParams(query).toString(),
    headers: headersOf(asked, 'abcdefghij.lambda-url.us-east-1.on.aws'),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'abcdefghij',
      domainName: 'abcdefghij.lambda-url.us-east-1.on.aws',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'test' },
      requestId: 'e1506fd5-9e7b-434f-bd42-4f8fa224b599',
      routeKey: '$default',
      stage: '$default',
    },
    ...(body ? { body: Buffer.from(JSON.stringify(body)).toString('base64') } : {}),
    isBase64Encoded: body !== undefined,
  }
}
