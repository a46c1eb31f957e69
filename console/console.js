// The console: the list of runs, and one run as it goes. It speaks the public HTTP interface and nothing else.
const $ = (id) => document.getElementById(id)
const KEY = 'stint-key'

async function api(path, { method = 'GET', body, accept = 'application/json', signal } = {}) {
  const key = sessionStorage.getItem(KEY)
  const response = await fetch(path, {
    method,
    signal,
    headers: {
      accept,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(key ? { authorization: `Bearer ${key}` } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  if (response.status === 401) {
    const given = prompt('This server needs an API key (sk_stint_…):')
    if (given) {
      sessionStorage.setItem(KEY, given.trim())
      return api(path, { method, body, accept, signal })
    }
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}))
    throw new Error(problem.detail ?? problem.title ?? `the server answered ${response.status}`)
  }
  return response
}

const say = (text) => ($('state').textContent = text)
const attempt = (work) => async (event) => {
  event?.preventDefault()
  try {
    say('')
    await work(event)
  } catch (error) {
    if (error.name !== 'AbortError') say(error.message)
  }
}

function element(tag, text, className) {
  const made = document.createElement(tag)
  if (text !== undefined) made.textContent = text
  if (className) made.className = className
  return made
}

// ---- the list ------------------------------------------------------------------------------------------------------

async function showList() {
  const { items } = await (await api('/runs?limit=50')).json()
  $('empty').hidden = items.length > 0
  $('runs').replaceChildren(
    ...items.map((run) => {
      const row = element('tr')
      const link = element('a', `${run.runId.slice(0, 14)}…`)
      link.href = `#${run.runId}`
      const first = element('td')
      first.append(link)
      row.append(
        first,
        element('td', run.stopReason && run.stopReason !== 'done' ? run.stopReason : run.status, run.status),
        element('td', run.task, 'task'),
        element('td', run.turns),
        element('td', `$${run.usage.costUsd.toFixed(4)}`),
        element('td', new Date(run.createdAt).toLocaleString(), 'dim'),
      )
      return row
    }),
  )
}

$('start').addEventListener(
  'submit',
  attempt(async () => {
    const given = Object.fromEntries(new FormData($('start')))
    const body = {
      task: given.task,
      approval: given.approval,
      ...(given.model ? { model: given.model } : {}),
      ...(given.url ? { repo: { url: given.url } } : {}),
    }
    const { runId } = await (await api('/execute', { method: 'POST', body })).json()
    location.hash = runId
  }),
)

// ---- one run -------------------------------------------------------------------------------------------------------

let leaving = new AbortController()

async function showRun(runId) {
  leaving = new AbortController()
  const { signal } = leaving
  for (const id of ['plan', 'feed', 'live', 'answer', 'diff']) $(id).replaceChildren()
  for (const id of ['live', 'answer', 'diff-box', 'ask']) $(id).hidden = true
  await refresh(runId)
  for (let last = 0; !signal.aborted; ) {
    try {
      const response = await api(`/runs/${runId}/events?after=${last}`, { accept: 'text/event-stream', signal })
      for await (const event of events(response)) {
        if (event.seq) last = event.seq
        show(runId, event)
        if (/^run\.(completed|failed|cancelled)$/.test(event.type)) return
      }
    } catch (error) {
      if (signal.aborted) return
      say(`${error.message}; trying again`)
    }
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let rest = ''; ; ) {
    const { value, done } = await reader.read()
    if (done) return
    rest += value
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const data = rest
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5))
        .join('\n')
      rest = rest.slice(end + 2)
      if (data) yield JSON.parse(data)
    }
  }
}

function show(runId, { type, data }) {
  const line = (text, className) => $('feed').append(element('li', text, className))
  if (type === 'message.delta') {
    $('live').hidden = false
    $('live').textContent += data.text
    return
  }
  if (type === 'message.completed') {
    $('live').hidden = true
    $('live').textContent = ''
    if (data.role === 'user') line(`${data.from}: ${data.text}`, 'dim')
    else if (data.text && data.calls > 0) line(data.text, 'dim')
  } else if (type === 'tool.started') line(`→ ${data.tool} ${subject(data.preview)}`)
  else if (type === 'tool.completed')
    line(
      `${data.ok ? '✓' : '✗'} ${data.tool} ${data.ok ? '' : (data.error?.message ?? '')} (${data.durationMs} ms)`,
      data.ok ? 'ok' : 'bad',
    )
  else if (type === 'plan.updated')
    $('plan').replaceChildren(
      ...data.items.map((item) =>
        element(
          'li',
          `${{ done: '●', active: '◐' }[item.status] ?? '○'} ${item.text}`,
          item.status === 'done' ? 'dim' : '',
        ),
      ),
    )
  if (/^run\.|^workspace\./.test(type)) attempt(() => refresh(runId))()
}

/** What a call is about: its path, command or pattern, not all of its arguments. */
function subject(preview) {
  try {
    const input = JSON.parse(preview)
    return String(
      input.path ?? input.command ?? input.pattern ?? input.query ?? input.question ?? input.message ?? '',
    ).slice(0, 200)
  } catch {
    return preview.slice(0, 120)
  }
}

async function refresh(runId) {
  const run = await (await api(`/runs/${runId}`)).json()
  const { status, stopReason, turns, usage, diffStat, waitingFor, answer } = run
  $('task').textContent = run.task
  $('facts').replaceChildren(
    element('span', stopReason && stopReason !== 'done' ? `${status} (${stopReason})` : status, status),
    ` · ${turns} turns · $${usage.costUsd.toFixed(5)} · ${diffStat.files} files, +${diffStat.additions} -${diffStat.deletions} · `,
    element('code', runId),
  )
  const over = ['completed', 'failed', 'cancelled'].includes(status)
  $('cancel').hidden = over
  $('say').hidden = over
  $('cancel').onclick = attempt(() => api(`/runs/${runId}/cancel`, { method: 'POST', body: {} }))
  $('say').onsubmit = attempt(async () => {
    await api(`/runs/${runId}/messages`, { method: 'POST', body: { text: $('say').text.value } })
    $('say').reset()
  })
  $('answer').hidden = !answer
  $('answer').textContent = answer ?? ''
  held(runId, waitingFor)
  if (diffStat.files > 0) await showDiff(runId)
}

function held(runId, waitingFor) {
  $('ask').hidden = !['approval', 'question'].includes(waitingFor?.kind)
  if ($('ask').hidden) return
  if (waitingFor.kind === 'question')
    return $('ask').replaceChildren(element('p', waitingFor.question), element('p', 'Answer below.', 'dim'))
  const decide = (approved, remember) =>
    attempt(() =>
      api(`/runs/${runId}/decisions`, { method: 'POST', body: { callId: waitingFor.callId, approved, remember } }),
    )
  const button = (text, action) => Object.assign(element('button', text), { onclick: action })
  $('ask').replaceChildren(
    element('p', `${waitingFor.tool} waits for you: ${waitingFor.reason}`),
    element('pre', waitingFor.preview),
    button('Approve', decide(true, 'call')),
    button('Approve for this run', decide(true, 'run')),
    button('Refuse', decide(false, 'call')),
  )
}

async function showDiff(runId) {
  const text = await (await api(`/runs/${runId}/diff`, { accept: '*/*' })).text()
  $('diff-box').hidden = text === ''
  $('diff').replaceChildren(
    ...text
      .split('\n')
      .map((line) =>
        element('span', `${line}\n`, /^\+(?!\+\+)/.test(line) ? 'add' : /^-(?!--)/.test(line) ? 'del' : ''),
      ),
  )
}

// ---- which of the two ------------------------------------------------------------------------------------------------

const open = attempt(async () => {
  leaving.abort()
  const runId = location.hash.slice(1)
  $('list-view').hidden = runId !== ''
  $('run-view').hidden = runId === ''
  await (runId ? showRun(runId) : showList())
})
addEventListener('hashchange', open)
setInterval(() => !location.hash && !document.hidden && attempt(showList)(), 3000)
open()
