/** Memory: keeps what runs taught, sometimes without saying so; its own promises are held against real tiers elsewhere. */
import type { Fact } from '../../../functions/core/records.ts'
import type { Memory } from '../../../functions/ports.ts'
import type { Network, Process } from './network.ts'
import type { Outside } from './outside.ts'

export const memoryOf = (outside: Outside, network: Network, process: Process): Memory => ({
  recall: async () => ({ facts: [] }),
  remember: (scope, { text }, { id }) =>
    network.ask(process, `remember ${id}`, async () => {
      const fact = { id: `fct_${id} ${text}`, scope, text } as Fact
      return { what: outside.learnt(id, text), fact }
    }),
  facts: {
    get: async () => undefined,
    list: async () => ({ items: [] }),
    change: async () => undefined,
    delete: async () => false,
  },
  preferences: {
    effective: async () => [],
    list: async () => [],
    put: () => Promise.reject(new Error('nobody sets a preference here')),
    delete: async () => false,
  },
  tidy: async () => 0,
  forget: (sessionId) => network.ask(process, `forget ${sessionId}`, async () => {}),
  close: async () => {},
})
