/**
 * The cache on Upstash, over the transport of the loop's state, but asked once and not for long: what may be gone at any
 * moment is not worth a second try. The vendor's client is in neither (redis-upstash.ts says why).
 */
import type { Cache } from '../ports.ts'
import { redisCache } from './redis-cache.ts'
import { redisUpstash } from './redis-upstash.ts'

const REQUEST_MS_MAX = 3000

export const upstashCache = (place: { url: string; token: string }, prefix = 'stint:'): Cache =>
  redisCache(redisUpstash({ ...place, tries: 1, requestMsMax: REQUEST_MS_MAX }), prefix)
