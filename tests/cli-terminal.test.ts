/** `stint run` in a real terminal: the live line, the questions it asks, and Ctrl-C. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import type { Turn } from '../functions/scripted/server.ts'
import { cli, ended, NO_TMUX, runIn, terminal } from './support/cli.ts'
import { call, makeRepo, scripted, until } from './support/world.ts'

const options = { skip: NO_TMUX }
type T = Parameters<typeof cli>[0]
async function world(t: T, turns: Turn[], env: Record<string, string> = {}) {
  const model = await scripted(t, turns, { latencyMs: 30 })
  const stint = cli(t, { GROQ_BASE_URL: model.url, ...env })
  const repo = makeRepo(t, { 'a.txt': 'one\n' })
  const run = (given: Parameters<typeof terminal>[2] = {}, ...more: string[]) =>
    terminal(stint, ['run', 'Do it', '--repo', repo, ...more], given)
  return { model, stint, repo, run }
}
const command = (line: string): Turn => call('run_command', { command: line })
const LIVE = /\d\d:\d\d · turn \d+ · \$\d\.\d+ · /
const last = (screen: string): string => screen.split('\n').at(-1) ?? ''
const results = (messages: unknown): string[] =>
  (messages as { role: string; content: string }[]).flatMap(({ role, content }) => (role === 'tool' ? [content] : []))

test(
  'a live line at the bottom tells time, turn, cost and what is being done, and goes at the end',
  options,
  async (t) => {
    const { run } = await world(t, [command('sleep 2.3'), { text: 'It is done.' }])
    const at = run({}, '--approval', 'auto')
    await at.shows(/00:0[12] · turn 1 · \$0\.000\d+ · run_command sleep 2\.3$/)
    const early = last(at.screen())
    await until('the clock to move on', () => last(at.screen()) !== early && LIVE.test(last(at.screen())))
    const end = await at.shows(/exit=0/)
    assert.doesNotMatch(end, LIVE)
    assert.match(end, /✓ run_command sleep 2\.3 2\.\d s\n[\s\S]*It is done\.\n[\s\S]*✓ done · 2 turns/)
    assert.ok(at.screen(true).includes('\u001b[3'), 'in colours')
  },
)

// Mostly waiting: a few side by side.
describe('stint run in a terminal', { concurrency: 3 }, () => {
  test('the live line is one line in a narrow terminal, whatever is being done', options, async (t) => {
    const { run } = await world(t, [
      command(': 東京都千代田区永田町一丁目七番一号国会議事堂前駅; sleep 1'),
      { text: 'It is done.' },
    ])
    const at = run({ columns: 60 }, '--approval', 'auto')
    const end = await at.shows(/exit=0/)
    assert.doesNotMatch(end, LIVE, 'nothing is left of it')
  })

  test('NO_COLOR keeps the live line and leaves out the colours', options, async (t) => {
    const { run } = await world(t, [command('sleep 1'), { text: 'It is done.' }], { NO_COLOR: '1' })
    const at = run({}, '--approval', 'auto')
    await at.shows(LIVE)
    await at.shows(/exit=0/)
    assert.ok(!at.screen(true).includes('\u001b'))
  })

  test('an approval is asked for: yes performs the call, no and a reason refuse it', options, async (t) => {
    const { run, model } = await world(t, [
      command('touch first'),
      command('touch second'),
      command('touch third'),
      { text: 'It is done.' },
    ])
    const at = run()
    await at.shows(/approve\? run_command .*touch first[\s\S]*\[y\]es/)
    at.keys('y', 'Enter')
    await at.shows(/✓ run_command touch first[\s\S]*approve\? run_command .*touch second/)
    at.keys('n', 'Enter')
    await at.shows(/approve\? run_command .*touch third/)
    at.keys('use printf instead', 'Enter')
    await at.shows(/It is done\.[\s\S]*exit=0/)
    const told = results(model.requests.at(-1)?.messages)
    assert.doesNotMatch(told[0] ?? '', /refused/)
    assert.match(told[1] ?? '', /refused this call\./)
    assert.match(told[2] ?? '', /refused this call: use printf instead/)
  })

  test('the live line goes on after an approval', options, async (t) => {
    const { run } = await world(t, [command('touch a; sleep 2'), { text: 'It is done.' }])
    const at = run()
    await at.shows(/approve\?/)
    at.keys('y', 'Enter')
    await at.shows(/turn 1 · \$0\.000\d+ · run_command touch a; sleep 2$/, 3000)
  })

  test('always covers the same call for the rest of the run, and no other', options, async (t) => {
    const { run } = await world(t, [
      command('touch same'),
      command('touch same'),
      command('touch other'),
      { text: 'It is done.' },
    ])
    const at = run()
    await at.shows(/approve\? run_command .*touch same/)
    at.keys('a', 'Enter')
    const asked = await at.shows(/approve\? run_command .*touch other/)
    assert.equal(asked.match(/✓ run_command touch same/g)?.length, 2)
    assert.equal(asked.match(/approve\?/g)?.length, 2)
  })

  test('Ctrl-C at a question leaves the run waiting and says how to go on', options, async (t) => {
    const { run, stint } = await world(t, [command('touch held'), { text: 'It is done.' }])
    const at = run()
    await at.shows(/\[y\]es/)
    at.keys('C-c')
    const end = await at.shows(/exit=3/)
    assert.match(end, new RegExp(`stint approve ${runIn(end)} call_`))
    assert.match(ended(await stint(['runs']), 0).out, /waiting/)
  })

  test('a question shows its choices: a number picks one, Enter takes the default', options, async (t) => {
    const question = { question: 'Which colour?', choices: ['red', 'blue'], default: 'red' }
    const { run, model } = await world(t, [
      call('ask_user', question),
      call('ask_user', question),
      call('ask_user', { question: 'Why?' }),
      { text: 'It is done.' },
    ])
    const at = run()
    await at.shows(/\? Which colour\?\n +1\. red\n +2\. blue\nanswer \[red\]:/)
    at.keys('2', 'Enter')
    await at.shows(/Which colour[\s\S]*Which colour[\s\S]*answer \[red\]:$/)
    at.keys('Enter')
    await at.shows(/\? Why\?\nanswer:/)
    at.keys('because', 'Enter')
    await at.shows(/exit=0/)
    assert.deepEqual(results(model.requests.at(-1)?.messages), ['blue', 'red', 'because'])
  })

  test('what a model asks never moves the cursor or names the window', options, async (t) => {
    const evil = 'red\u001b]2;taken\u0007\u001b[2J'
    const { run } = await world(t, [
      call('ask_user', { question: `Q${evil}`, choices: [evil], default: evil }),
      { text: 'It is done.' },
    ])
    const at = run()
    const asked = await at.shows(/answer/)
    assert.notEqual(at.title(), 'taken')
    assert.match(asked, /Do it/, 'the screen was not cleared')
  })

  test('the first Ctrl-C cancels the run in order, its command included', options, async (t) => {
    const { run, stint } = await world(t, [command('sleep 31.4159; echo late'), { text: 'It is done.' }])
    const at = run({}, '--approval', 'auto')
    await at.shows(/run_command sleep 31/)
    at.keys('C-c')
    const end = await at.shows(/exit=3/, 8000)
    assert.match(end, /cancelling; Ctrl-C again leaves at once[\s\S]*cancelled/)
    const shown = JSON.parse(ended(await stint(['show', runIn(end), '--json']), 0).out) as { status: string }
    assert.equal(shown.status, 'cancelled')
    await until(
      'the command to be gone',
      () => !execFileSync('ps', ['-Ao', 'args'], { encoding: 'utf8' }).includes('sleep 31.4159'),
    )
  })

  test('the second Ctrl-C leaves at once, and the run is kept', options, async (t) => {
    const { run, stint } = await world(t, [command("trap '' TERM INT; sleep 3"), { text: 'It is done.' }])
    const at = run({}, '--approval', 'auto')
    await at.shows(/run_command trap/)
    at.keys('C-c')
    await at.shows(/cancelling/)
    at.keys('C-c')
    const end = await at.shows(/exit=\d/, 3000)
    assert.match(end, new RegExp(`left; the run is kept[^]*${runIn(end)}[\\s\\S]*exit=3`))
    assert.match(ended(await stint(['show', runIn(end)]), 0).out, /run_command/)
    assert.match((await stint(['watch', runIn(end)])).out, /cancelled/, 'what was asked for still happens')
  })
})
