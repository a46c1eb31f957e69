export class Router {
  routes = []

  add(path, handler) {
    this.routes.push({ parts: path.split('/'), handler })
    return this
  }

  /** `{ handler, params }`, or undefined: the match whose parts are the most exact, from the left. */
  find(path) {
    const parts = path.split('/')
    const matches = this.routes.map((route) => match(route, parts)).filter(Boolean)
    matches.sort((a, b) => (a.rank < b.rank ? -1 : 1))
    const [best] = matches
    return best && { handler: best.handler, params: best.params }
  }
}

/** `rank` sorts by exactness: 0 a literal part, 1 a parameter, 2 the rest. */
function match({ parts: wanted, handler }, parts) {
  const params = {}
  let rank = ''
  for (const [i, part] of wanted.entries()) {
    if (part === '*' && i === wanted.length - 1 && i < parts.length) {
      params.rest = parts.slice(i).join('/')
      return { handler, params, rank: `${rank}2` }
    }
    const given = parts[i]
    if (given === undefined) return undefined
    if (part.startsWith(':')) {
      if (given === '') return undefined
      params[part.slice(1)] = decodeURIComponent(given)
      rank += '1'
    } else if (part === given) rank += '0'
    else return undefined
  }
  return wanted.length === parts.length ? { handler, params, rank } : undefined
}
