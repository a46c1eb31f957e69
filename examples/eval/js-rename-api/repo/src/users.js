const users = [
  { id: 1, name: 'Ada' },
  { id: 2, name: 'Grace' },
]

export function getUserById(id) {
  const user = users.find((one) => one.id === id)
  if (!user) throw new Error(`no user ${id}`)
  return user
}
