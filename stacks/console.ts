/** One address for all: a CDN that has the console's files and passes everything else on to the API, uncached. */
import { readFileSync } from 'node:fs'
import type { Api } from './api.ts'
import type { Plan } from './plan.ts'

/** Path of the page: file, kind. The same as functions/adapters/pages.ts serves elsewhere. */
export const PAGES = {
  'index.html': ['index.html', 'text/html; charset=utf-8'],
  docs: ['docs.html', 'text/html; charset=utf-8'],
  'console.js': ['console.js', 'text/javascript; charset=utf-8'],
  'docs.js': ['docs.js', 'text/javascript; charset=utf-8'],
  'console.css': ['console.css', 'text/css; charset=utf-8'],
} as const
/** As functions/routes/system.ts has it. */
export const CONTENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/** AWS's own policies, by the ids that are the same in every account. */
const CACHED = '658327ea-f89d-4fab-a63d-7e88639e58f6'
const NOT_CACHED = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad'
const ALL_BUT_HOST = 'b689b0a8-53d0-40ab-baf2-68738e2966ac'
/** The console speaks every 15 seconds; CloudFront gives up on an origin that is silent for so long. */
const SILENCE_S_MAX = 60

export function console({ stage }: Plan, { rest, stage: apiStage }: Api) {
  const files = new sst.aws.Bucket('Console', {
    enforceHttps: true,
    cors: false,
    // SST's own `access: 'cloudfront'` lets in the distributions of every account.
    policy: [
      {
        principals: [{ type: 'service', identifiers: ['cloudfront.amazonaws.com'] }],
        actions: ['s3:GetObject'],
        conditions: [
          {
            test: 'StringEquals',
            variable: 'aws:SourceAccount',
            values: [aws.getCallerIdentityOutput().accountId],
          },
        ],
      },
    ],
  })
  for (const [key, [file, contentType]] of Object.entries(PAGES))
    new aws.s3.BucketObjectv2(`Page-${key.replace('.', '-')}`, {
      bucket: files.name,
      key,
      contentType,
      cacheControl: 'no-cache',
      content: readFileSync(`${$cli.paths.root}/console/${file}`, 'utf8'),
    })
  const reader = new aws.cloudfront.OriginAccessControl('ConsoleReader', {
    name: `stint-${stage}-console`,
    originAccessControlOriginType: 's3',
    signingBehavior: 'always',
    signingProtocol: 'sigv4',
  })
  const headers = new aws.cloudfront.ResponseHeadersPolicy('ConsoleHeaders', {
    name: `stint-${stage}-console`,
    securityHeadersConfig: {
      contentSecurityPolicy: { contentSecurityPolicy: CONTENT_POLICY, override: true },
      contentTypeOptions: { override: true },
      frameOptions: { frameOption: 'DENY', override: true },
      referrerPolicy: { referrerPolicy: 'no-referrer', override: true },
      strictTransportSecurity: { accessControlMaxAgeSec: 31_536_000, override: true },
    },
  })
  const page = (pathPattern: string) => ({
    pathPattern,
    targetOriginId: 'console',
    viewerProtocolPolicy: 'redirect-to-https',
    allowedMethods: ['GET', 'HEAD'],
    cachedMethods: ['GET', 'HEAD'],
    cachePolicyId: CACHED,
    responseHeadersPolicyId: headers.id,
    compress: true,
  })
  const cdn = new aws.cloudfront.Distribution('Front', {
    enabled: true,
    comment: `stint ${stage}`,
    httpVersion: 'http2and3',
    priceClass: 'PriceClass_100',
    defaultRootObject: 'index.html',
    origins: [
      {
        originId: 'console',
        domainName: files.nodes.bucket.bucketRegionalDomainName,
        originAccessControlId: reader.id,
      },
      {
        originId: 'api',
        domainName: $interpolate`${rest.nodes.api.id}.execute-api.${aws.getRegionOutput().region}.amazonaws.com`,
        originPath: $interpolate`/${apiStage.stageName}`,
        customOriginConfig: {
          httpPort: 80,
          httpsPort: 443,
          originProtocolPolicy: 'https-only',
          originSslProtocols: ['TLSv1.2'],
          originReadTimeout: SILENCE_S_MAX,
        },
      },
    ],
    orderedCacheBehaviors: ['/', ...Object.keys(PAGES).map((key) => `/${key}`)].map(page),
    defaultCacheBehavior: {
      targetOriginId: 'api',
      viewerProtocolPolicy: 'https-only',
      allowedMethods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'POST', 'PATCH', 'DELETE'],
      cachedMethods: ['GET', 'HEAD'],
      cachePolicyId: NOT_CACHED,
      originRequestPolicyId: ALL_BUT_HOST,
      // A stream that is compressed is a stream that is held back.
      compress: false,
    },
    restrictions: { geoRestriction: { restrictionType: 'none' } },
    viewerCertificate: { cloudfrontDefaultCertificate: true },
  })
  return { cdn, url: $interpolate`https://${cdn.domainName}` }
}
