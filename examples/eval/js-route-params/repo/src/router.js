export class Router {
  routes = new Map()

  add(path, handler) {
    this.routes.set(path, handler)
    return this
  }

  /** `{ handler, params }`, or undefined. */
  find(path) {
    const handler = this.routes.get(path)
    return handler && { handler, params: {} }
  }
}
