import { getUserById } from './users.js'

export const greet = (id) => `Hello, ${getUserById(id).name}!`

export function greetOrNobody(id) {
  try {
    return greet(id)
  } catch {
    return 'Hello, nobody!'
  }
}
