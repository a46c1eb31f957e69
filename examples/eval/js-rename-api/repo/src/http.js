import { getUserById } from './users.js'

export function show(id) {
  try {
    return { status: 200, body: getUserById(id) }
  } catch (error) {
    return { status: 404, body: { error: error.message } }
  }
}
