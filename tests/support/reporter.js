// Failures whole, what was left out by name, and at the end one line: `N passed, N failed`.
export default async function* report(source) {
  const failures = []
  const skipped = []
  let passed = 0
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (data.details?.type === 'suite') {
      if (type === 'test:pass' || data.details.error?.failureType === 'subtestsFailed') continue
    }
    if (data.skip !== undefined) skipped.push(`${data.name}: ${data.skip === true ? 'no reason given' : data.skip}`)
    else if (type === 'test:pass') passed++
    else if (data.details?.error?.failureType !== 'subtestsFailed') failures.push(data)
    if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') {
      const error = data.details.error?.cause ?? data.details.error
      yield `\n✗ ${data.name}\n  ${String(data.file ?? '').replace(`${process.cwd()}/`, '')}:${data.line ?? ''}\n${String(error?.stack ?? error?.message ?? error).replace(/^/gm, '  ')}\n`
    }
  }
  for (const line of [...new Set(skipped)]) yield `left out: ${line}\n`
  yield `${passed} passed, ${failures.length} failed\n`
}
