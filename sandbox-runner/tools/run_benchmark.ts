import { z } from 'zod'
import { defineTool } from '../define.ts'
import { BENCHMARK_RUNS_DEFAULT, BENCHMARK_RUNS_MAX, COMMAND_SECONDS_MAX } from '../limits.ts'
import { commandDone } from '../text/command.ts'

export const runBenchmark = defineTool({
  name: 'run_benchmark',
  category: 'execution',
  description: 'Time a command over several runs after one to warm up.',
  input: z.object({ command: z.string().min(1).max(20_000), runs: z.int().min(1).max(BENCHMARK_RUNS_MAX).optional() }),
  risk: 'execute',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: COMMAND_SECONDS_MAX * 1000,
  async run({ command, runs = BENCHMARK_RUNS_DEFAULT }, hands) {
    const deadline = performance.now() + COMMAND_SECONDS_MAX * 1000
    const times: number[] = []
    for (let run = 0; run <= runs; run++) {
      const result = await hands.shell(command, { timeoutMs: Math.max(1000, deadline - performance.now()) })
      if (result.exitCode !== 0 || result.ended) return commandDone(command, result)
      if (run > 0) times.push(result.durationMs)
    }
    times.sort((a, b) => a - b)
    const middle = times.length >> 1
    const median = times.length % 2 === 1 ? (times[middle] ?? 0) : ((times[middle - 1] ?? 0) + (times[middle] ?? 0)) / 2
    const [min, max] = [times[0] ?? 0, times.at(-1) ?? 0]
    const output = `${command}\n${runs} runs: median ${median} ms, min ${min} ms, max ${max} ms`
    return { output, data: { command, runs, medianMs: median, minMs: min, maxMs: max, timesMs: times } }
  },
})
