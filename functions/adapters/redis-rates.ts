/** The shared buckets on Redis, over any transport: a hash each, with `limit`, `base`, `sold` and a field for each booking. */
import { FILL_MS, SPARE_MS } from '../core/bucket.ts'
import { BUCKET_KEPT_MS } from '../core/limits.ts'
import type { Rates } from '../ports.ts'
import { scriptRunner } from './redis-script.ts'
import type { RedisTransport } from './redis-transport.ts'

const WHOLE = FILL_MS - SPARE_MS

/** As `book` and `turnOf` of core/bucket.ts. Numbers go in and out as text: Redis would cut their fractions off. */
const BOOK = `
local id, tokens, now, kept = 'b:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local limit, base, sold, known = unpack(redis.call('HMGET', KEYS[1], 'limit', 'base', 'sold', id))
limit, base, sold = tonumber(limit or 0), tonumber(base or 0), tonumber(sold or 0)
if limit == 0 then return ARGV[3] end
local behind
if known then behind = tonumber(string.match(known, '%S+$'))
else
  local cost = math.min(${WHOLE}, tokens / limit * ${FILL_MS})
  base, behind = math.max(base, now - sold), sold + cost
  redis.call('HSET', KEYS[1], 'base', string.format('%.3f', base), 'sold', string.format('%.3f', behind),
    id, string.format('%.3f %.3f', cost, behind))
  redis.call('PEXPIRE', KEYS[1], kept)
end
return string.format('%.3f', math.max(now, base + behind - ${WHOLE}))
`

/** As `settled` of core/bucket.ts. */
const SETTLE = `
local id, tokens, now, kept = 'b:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local said, remaining, blocked = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local limit, base, sold, known = unpack(redis.call('HMGET', KEYS[1], 'limit', 'base', 'sold', id))
limit, base, sold = tonumber(said or limit or 0), tonumber(base or 0), tonumber(sold or 0)
local cost, used = known and tonumber(string.match(known, '^%S+')) or 0, 0
if cost > 0 and limit > 0 then used = math.min(${WHOLE}, tokens / limit * ${FILL_MS}) end
base = base - cost + used
if said then base = math.max(base, now + (said - remaining) / said * ${FILL_MS} - sold) end
if blocked then base = math.max(base, now + blocked + ${WHOLE} - cost - sold) end
redis.call('HDEL', KEYS[1], id)
redis.call('HSET', KEYS[1], 'base', string.format('%.3f', base), 'sold', string.format('%.3f', sold), 'limit', limit)
redis.call('PEXPIRE', KEYS[1], kept)
return 'OK'
`

export function redisRates(transport: RedisTransport, prefix = 'stint:'): Rates {
  const script = scriptRunner(transport, { BOOK, SETTLE })
  const keys = (bucket: string): string[] => [`${prefix}rate:${bucket}`]
  return {
    async book({ bucket, id, tokens, now }) {
      const [at] = await script('BOOK', [{ keys: keys(bucket), args: [id, tokens, now, BUCKET_KEPT_MS] }])
      return Math.max(Number(at), now)
    },
    async settle({ bucket, id, tokens, now, said, blockedMs }) {
      const words = [said?.limit ?? '', said?.remaining ?? '', blockedMs ?? '']
      await script('SETTLE', [{ keys: keys(bucket), args: [id, tokens, now, BUCKET_KEPT_MS, ...words] }])
    },
  }
}
