import { findUser } from './users.js'

export function show(id) {
  const user = findUser(id)
  return user ? { status: 200, body: user } : { status: 404, body: { error: `no user ${id}` } }
}
