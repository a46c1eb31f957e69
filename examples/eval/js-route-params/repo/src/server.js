import { Router } from './router.js'

const router = new Router().add('/', () => 'home').add('/health', () => 'ok')

export function answer(path) {
  const found = router.find(path)
  return found ? found.handler(found.params) : 'not found'
}
