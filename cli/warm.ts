/** `npm ci` ends with this: everything is compiled once, so that the first start is as quick and small as any other. */
export async function warm(): Promise<number> {
  try {
    await Promise.all([
      import('../functions/server.ts'),
      import('../sandbox-runner/server.ts'),
      import('./run.ts'),
      import('./look.ts'),
      import('./send.ts'),
      import('./demo.ts'),
      import('./doctor.ts'),
    ])
  } catch {
    // Only a warm-up: what is wrong shows, and is said, when Stint is used.
  }
  return 0
}
