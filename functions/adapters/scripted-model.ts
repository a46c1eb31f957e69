/** The bundled scripted model as a Model: its server is started by the first call, and asked over HTTP as Groq is. */
import type { Model } from '../ports.ts'
import { bundledScript } from '../scripted/scripts.ts'
import { type ScriptedServer, startScriptedServer } from '../scripted/server.ts'
import { groqModel } from './groq.ts'

export function scriptedModel(): Model & { close(): Promise<void> } {
  let started: Promise<{ server: ScriptedServer; model: Model }> | undefined
  const start = async () => {
    const server = await startScriptedServer({ script: bundledScript })
    return { server, model: groqModel({ apiKey: 'scripted', baseUrl: server.url }) }
  }
  const ready = () => {
    started ??= start()
    return started
  }
  return {
    complete: async (context, options) => (await ready()).model.complete(context, options),
    list: async (signal) => (await ready()).model.list(signal),
    async close() {
      await (await started)?.server.close()
    },
  }
}
