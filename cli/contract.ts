/** The types of the HTTP contract that the terminal uses. */
import type { z } from 'zod'
import type { EventView as Event, MessageView as Message, RunView as Run } from '../functions/routes/views.ts'

export type RunView = Run
export type EventView = z.infer<typeof Event>
export type MessageView = z.infer<typeof Message>
