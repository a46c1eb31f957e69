/**
 * What is atomic in the Redis store, as Lua. No script parses a document, reads a clock or makes an id: time and ids
 * come as arguments, records are opaque strings, and what a script must compare has a field of its own. So a script's
 * cost does not grow with the run, a simulation can decide every time, and sending one again does nothing twice.
 *
 * The hash of a run: `run` (its record), `status`, `step`, `token`, `owner`, `until` (the lease), `due`, `awaits`,
 * `inbox` (entries ever), `seen` (entries read), `last` (the newest commit), `claims`, `closed`, `sid`, `feedback`.
 */

/** Shared by all: names of fields and the moves they have in common. */
const PRELUDE = `
local function ended(status) return status == 'completed' or status == 'failed' or status == 'cancelled' end
local function unread(key, seen) return redis.call('LRANGE', key, seen, -1) end
local function due(run, zset, id, at)
  redis.call('HSET', run, 'due', at)
  if at == '' then redis.call('ZREM', zset, id) else redis.call('ZADD', zset, at, id) end
end
-- Due by every clock: whoever is woken may be behind whoever woke it.
local AT_ONCE = 0
local at = 0
local function arg() at = at + 1 return ARGV[at] end
local function count() return tonumber(arg()) end
local function push(key) for _ = 1, count() do redis.call('RPUSH', key, arg()) end end
local function put(key) for _ = 1, count() do local field = arg() redis.call('HSET', key, field, arg()) end end
local function add(key) for _ = 1, count() do redis.call('SADD', key, arg()) end end
`

const START = `
local run, messages, events, marks, idem, session, runs, layers, dues, index, blobs, bySession = unpack(KEYS)
local id, now, dueAt = arg(), tonumber(arg()), arg()
if redis.call('EXISTS', run) == 1 then return {'OK'} end
local hash, expires = arg(), arg()
if hash ~= '' then
  local known = redis.call('GET', idem)
  if known then
    local other, its, till = string.match(known, '^(%S+) (%S+) (%S+)$')
    if tonumber(till) > now then return {its == hash and 'EXISTS' or 'MISMATCH', other} end
  end
end
local status, closed, step, sid, made, record = arg(), arg(), arg(), arg(), arg(), arg()
local goesOn, from = arg(), arg()
local open, head = unpack(redis.call('HMGET', session, 'open', 'head'))
if open and open ~= '' then return {'BUSY', open} end
if goesOn == 'yes' and not open then return {'NOT_FOUND'} end
local latest = redis.call('ZREVRANGE', runs, 0, 0)[1]
if goesOn ~= '' and latest and latest > id then return {'MOVED'} end
if goesOn ~= '' and head and not (from ~= '' and string.find(head, '"id":"' .. from .. '"', 1, true)) then return {'MOVED'} end
for _, key in ipairs({session, runs, layers, bySession}) do redis.call('PERSIST', key) end
redis.call('HSETNX', session, 'session', made)
redis.call('HSET', session, 'open', ended(status) and '' or id)
redis.call('ZADD', runs, 0, id)
redis.call('ZADD', index, 0, id)
redis.call('HSET', run, 'run', record, 'status', status, 'step', step, 'token', 0, 'owner', '', 'until', 0, 'awaits', '',
  'inbox', 0, 'seen', 0, 'last', '', 'claims', 0, 'closed', closed, 'sid', sid, 'idem', hash ~= '' and idem or '')
due(run, dues, id, closed == '1' and '' or dueAt)
redis.call('RPUSH', marks, arg())
push(messages) push(events) put(layers) add(blobs)
if hash ~= '' then redis.call('SET', idem, id .. ' ' .. hash .. ' ' .. expires, 'PX', expires - now) end
return {'OK'}
`

const CLAIM = `
local run, messages, inbox, dues = unpack(KEYS)
local id, owner, now, lease, grace = arg(), arg(), tonumber(arg()), tonumber(arg()), tonumber(arg())
local want, gone = arg(), arg()
local status, closed, step, token, holder, till, dueAt, claims, seen, record = unpack(redis.call('HMGET', run,
  'status', 'closed', 'step', 'token', 'owner', 'until', 'due', 'claims', 'seen', 'run'))
if not status then return {'GONE'} end
if closed == '1' then return {'ENDED'} end
if want ~= '' and want ~= step then return {tonumber(want) < tonumber(step) and 'STALE' or 'FUTURE'} end
if status == 'waiting' and (dueAt == '' or tonumber(dueAt) > now) then return {'WAITING', dueAt} end
if tonumber(till) > now and holder ~= owner and holder ~= gone then return {'BUSY', till, holder} end
token, claims = token + 1, claims + 1
redis.call('HSET', run, 'token', token, 'owner', owner, 'until', now + lease, 'claims', claims)
due(run, dues, id, now + lease + grace)
return {'OK', token, claims, record, seen, redis.call('LRANGE', messages, 0, -1), unread(inbox, seen)}
`

const COMMIT = `
local run, messages, events, marks, inbox, session, layers, dues, bySession, byRepo, blobs,
  runs, index, sent, journal, gone = unpack(KEYS)
local id, token, after, commit, now = arg(), arg(), arg(), arg(), tonumber(arg())
local keep, dueAt, status, closed, step = tonumber(arg()), arg(), arg(), arg(), arg()
local nextSeen, read, awaits, runKept, sessionKept = arg(), tonumber(arg()), arg(), arg(), arg()
local held, current, before, last, entries, owner = unpack(redis.call('HMGET', run,
  'token', 'step', 'status', 'last', 'inbox', 'owner'))
if not held then return {'GONE'} end
if last == commit then return {'OK', nextSeen, unread(inbox, nextSeen)} end
if held ~= token then return {'FENCED'} end
if current ~= after then return {'STALE'} end
local news = unread(inbox, nextSeen)
if ended(status) and not ended(before) and status ~= 'cancelled' and tonumber(entries) > read then return {'UNREAD', nextSeen, news} end
if status == 'waiting' then
  for _, entry in ipairs(news) do
    local topic = string.match(entry, '^[^\\n]*')
    if topic == 'cancel' or (awaits ~= '' and topic == awaits) then dueAt = AT_ONCE end
  end
end
redis.call('HSET', run, 'run', arg(), 'status', status, 'closed', closed, 'step', step, 'owner', keep > 0 and owner or '',
  'until', keep > 0 and now + keep or 0, 'awaits', awaits, 'seen', nextSeen, 'last', commit, 'claims', 0)
due(run, dues, id, dueAt)
local mark, head = arg(), arg()
if mark ~= '' then redis.call('RPUSH', marks, mark) end
-- What follows the end of a run is none of its session's business: a later run may have gone on there.
if head ~= '' and not ended(before) then redis.call('HSET', session, 'head', head, 'updated', now) end
if ended(status) and redis.call('HGET', session, 'open') == id then redis.call('HSET', session, 'open', '') end
push(messages) push(events) put(layers) add(bySession) add(byRepo) add(blobs)
if runKept ~= '' then
  for _, key in ipairs({run, messages, events, marks, inbox, sent, journal}) do redis.call('PEXPIRE', key, runKept) end
  redis.call('ZREM', index, id)
  if redis.call('EXISTS', blobs) == 1 then redis.call('ZADD', gone, now + runKept, id) end
  if redis.call('HINCRBY', session, 'archived', 1) == redis.call('ZCARD', runs) then
    for _, key in ipairs({session, runs, layers, bySession}) do redis.call('PEXPIRE', key, sessionKept) end
  end
end
return {'OK', nextSeen, news}
`

const RENEW = `
local run, inbox, dues = unpack(KEYS)
local id, token, now, lease, grace = arg(), arg(), tonumber(arg()), tonumber(arg()), tonumber(arg())
local held, owner, closed, till, entries, seen = unpack(redis.call('HMGET', run,
  'token', 'owner', 'closed', 'until', 'inbox', 'seen'))
-- One that was given back is nobody's: a renewal that comes late must not make it somebody's again.
if held ~= token or owner == '' or closed == '1' then return {'LOST'} end
if till - now < lease / 2 then
  redis.call('HSET', run, 'until', now + lease)
  due(run, dues, id, now + lease + grace)
end
return {'OK', seen, entries == '0' and {} or unread(inbox, seen)}
`

const POST = `
local run, inbox, sent, dues = unpack(KEYS)
local id, now, entryId, topic, entry, decision = arg(), tonumber(arg()), arg(), arg(), arg(), arg() == '1'
local status, awaits, entries, step, till = unpack(redis.call('HMGET', run, 'status', 'awaits', 'inbox', 'step', 'until'))
if not status then return {'GONE'} end
local wake = (topic == 'cancel' or awaits == topic) and 1 or 0
local same = redis.call('HGET', sent, 'id:' .. entryId)
if same then return {'OK', same, wake, step} end
local made = decision and redis.call('HGET', sent, topic)
if made then return {'DECIDED', made} end
if ended(status) then return {'ENDED'} end
if decision and awaits ~= topic then return {'NOT_WAITING'} end
local seq = entries + 1
redis.call('RPUSH', inbox, topic .. '\\n' .. entry)
redis.call('HSET', sent, 'id:' .. entryId, seq)
if decision then redis.call('HSET', sent, topic, entry) end
redis.call('HSET', run, 'inbox', seq)
if wake == 1 and tonumber(till) <= now then due(run, dues, id, AT_ONCE) end
return {'OK', seq, wake, step}
`

const INTEND = `
local run, journal = unpack(KEYS)
local token, effect = arg(), arg()
if redis.call('HGET', run, 'token') ~= token then return {'LOST'} end
local known = redis.call('HGET', journal, effect)
if not known then redis.call('HSET', journal, effect, '') return {'NEW'} end
return {'BEGUN', known}
`

const SETTLE = `
local effect, outcome = arg(), arg()
local known = redis.call('HGET', KEYS[1], effect)
if known == '' then redis.call('HSET', KEYS[1], effect, outcome) known = outcome end
return {known or ''}
`

const DUE = `
local now, limit, again = arg(), arg(), tonumber(arg())
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
if again > 0 then for i = 1, #found, 2 do redis.call('ZADD', KEYS[1], now + again, found[i]) end end
return found
`

const RATE = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'feedback', arg())
return 1
`

/** The first `gone` keys go (session and its runs' index first); after them come the index, due and gone keys of each run. */
const FORGET = `
local known, gone = count(), count()
local made, open = unpack(redis.call('HMGET', KEYS[1], 'session', 'open'))
if not made then return {'GONE'} end
if open ~= '' then return {'BUSY'} end
if redis.call('ZCARD', KEYS[2]) ~= known then return {'AGAIN'} end
for i = 1, known do
  local id = arg()
  for n = gone + 3 * i - 2, gone + 3 * i do redis.call('ZREM', KEYS[n], id) end
end
for i = 1, gone do redis.call('DEL', KEYS[i]) end
return {'OK'}
`

export const SCRIPTS = Object.fromEntries(
  Object.entries({ START, CLAIM, COMMIT, RENEW, INTEND, SETTLE, POST, DUE, RATE, FORGET }).map(([name, text]) => [
    name,
    PRELUDE + text,
  ]),
) as Record<'START' | 'CLAIM' | 'COMMIT' | 'RENEW' | 'INTEND' | 'SETTLE' | 'POST' | 'DUE' | 'RATE' | 'FORGET', string>
