/**
 * The ledger on Redis, over any transport: a hash for each account, with `spent` and a field for each reservation
 * (`<amount> <time>`), in whole nano-dollars. Each request is one script: sent again it does nothing twice.
 */
import { NANO, nanoOf } from '../core/accounts.ts'
import { ACCOUNT_KEPT_MS, RESERVED_MS_MAX } from '../core/limits.ts'
import type { Ledger } from '../ports.ts'
import { scriptRunner } from './redis-script.ts'
import { accepted, type RedisTransport } from './redis-transport.ts'

const RESERVE = `
local id, grant, least, now, dead, kept = 'h:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local known = redis.call('HGET', KEYS[1], id)
if known then return {'OK', string.match(known, '^%d+')} end
for i, key in ipairs(KEYS) do
  local spent, held, all = 0, 0, redis.call('HGETALL', key)
  for n = 1, #all, 2 do
    local field, value = all[n], all[n + 1]
    if field == 'spent' then spent = spent + tonumber(value)
    else
      local amount, at = string.match(value, '^(%d+) (%d+)$')
      if tonumber(at) < dead then
        redis.call('HDEL', key, field)
        redis.call('HINCRBY', key, 'spent', amount)
        spent = spent + tonumber(amount)
      else held = held + tonumber(amount) end
    end
  end
  grant = math.min(grant, tonumber(ARGV[6 + i]) - spent - held)
  if grant < least then return {'NO', i, string.format('%d', spent), string.format('%d', held)} end
end
for _, key in ipairs(KEYS) do
  redis.call('HSET', key, id, string.format('%d %d', grant, now))
  redis.call('PEXPIRE', key, kept)
end
return {'OK', string.format('%d', grant)}
`

const SETTLE = `
for _, key in ipairs(KEYS) do
  if redis.call('HDEL', key, 'h:' .. ARGV[1]) == 1 then redis.call('HINCRBY', key, 'spent', ARGV[2]) end
end
return {'OK'}
`

export function redisLedger(transport: RedisTransport, prefix = 'stint:'): Ledger {
  const script = scriptRunner(transport, { RESERVE, SETTLE })
  const keyOf = (account: string): string => `${prefix}account:${account}`
  const one = async (command: (string | number)[]): Promise<unknown> => accepted(await transport.send([command]))[0]
  return {
    async reserve({ id, accounts, usd, leastUsd, now }) {
      const keys = accounts.map(({ name }) => keyOf(name))
      const bounds = accounts.map(({ limitUsd }) => nanoOf(limitUsd))
      const args = [id, nanoOf(usd), nanoOf(leastUsd), now, now - RESERVED_MS_MAX, ACCOUNT_KEPT_MS, ...bounds]
      const [reply] = await script('RESERVE', [{ keys, args }])
      const [code, first, spent, held] = reply as [string, string | number, string?, string?]
      if (code === 'OK') return { ok: true, usd: Number(first) / NANO }
      const account = accounts[Number(first) - 1]?.name ?? ''
      return { ok: false, account, spentUsd: Number(spent) / NANO, heldUsd: Number(held) / NANO }
    },
    async settle({ id, accounts, usd }) {
      await script('SETTLE', [{ keys: accounts.map(({ name }) => keyOf(name)), args: [id, nanoOf(usd)] }])
    },
    async spent(account) {
      return Number((await one(['HGET', keyOf(account), 'spent'])) ?? 0) / NANO
    },
    async forget(account) {
      await one(['DEL', keyOf(account)])
    },
    close: () => transport.close(),
  }
}
