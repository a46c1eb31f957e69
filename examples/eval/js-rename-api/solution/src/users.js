const users = [
  { id: 1, name: 'Ada' },
  { id: 2, name: 'Grace' },
]

/** The user with this id, or null. */
export const findUser = (id) => users.find((one) => one.id === id) ?? null
