/** Processes that meet an empty STINT_HOME at the same moment: `npm start` in one terminal, `stint run` in others. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { ROOT, tempFolder } from './support/world.ts'

const ROUNDS = 30
const EVERY_MS = 90

/** Opens a new database each round, at a time that all processes know, and prints what went wrong. */
const OPENER = `
const [store, folder, begin] = process.argv.slice(1)
const { sqliteStore } = await import(store)
for (let round = 0; round < ${ROUNDS}; round++) {
  const at = Number(begin) + round * ${EVERY_MS}
  await new Promise((resolve) => setTimeout(resolve, at - Date.now() - 3))
  while (Date.now() < at);
  try {
    const made = sqliteStore({ path: folder + '/' + round + '/stint.db', mayLive: () => true })
    await made.runs({ limit: 1 })
    await made.close()
  } catch (error) {
    console.log(error.message)
  }
}`

test('processes that make the database at the same moment all get it', async (t) => {
  const store = pathToFileURL(join(ROOT, 'functions/adapters/sqlite-store.ts')).href
  const begin = String(Date.now() + 1500)
  const open = () =>
    promisify(execFile)(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      OPENER,
      store,
      folder,
      begin,
    ])
  const folder = tempFolder(t)
  const printed = (await Promise.all([open(), open(), open(), open()])).map(({ stdout }) => stdout).join('')
  assert.equal(printed, '')
})
