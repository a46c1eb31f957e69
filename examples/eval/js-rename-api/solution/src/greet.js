import { findUser } from './users.js'

export function greet(id) {
  const user = findUser(id)
  if (!user) throw new Error(`no user ${id}`)
  return `Hello, ${user.name}!`
}

export function greetOrNobody(id) {
  try {
    return greet(id)
  } catch {
    return 'Hello, nobody!'
  }
}
