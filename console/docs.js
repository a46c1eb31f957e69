// A reader for /openapi.json: every endpoint with its parameters, body and answers.
const main = document.getElementById('docs')
const make = (tag, text, className) =>
  Object.assign(
    document.createElement(tag),
    text === undefined ? {} : { textContent: text },
    className ? { className } : {},
  )

const spec = await (await fetch('/openapi.json')).json()
const resolve = (schema) =>
  schema?.$ref
    ? resolve(
        schema.$ref
          .split('/')
          .slice(1)
          .reduce((at, key) => at?.[key], spec),
      )
    : schema

/** A schema in the short words of a type. */
function brief(schema, depth = 0) {
  const s = resolve(schema)
  if (!s) return 'any'
  if (s.enum) return s.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (s.const !== undefined) return JSON.stringify(s.const)
  for (const key of ['oneOf', 'anyOf', 'allOf'])
    if (s[key]) return s[key].map((part) => brief(part, depth)).join(key === 'allOf' ? ' & ' : ' | ')
  if (s.type === 'array') return `[${brief(s.items, depth)}]`
  if (s.type === 'object' || s.properties) {
    if (!s.properties) return '{…}'
    const pad = '  '.repeat(depth + 1)
    const lines = Object.entries(s.properties).map(
      ([name, inner]) => `${pad}${name}${s.required?.includes(name) ? '' : '?'}: ${brief(inner, depth + 1)}`,
    )
    return `{\n${lines.join('\n')}\n${'  '.repeat(depth)}}`
  }
  return Array.isArray(s.type) ? s.type.join(' | ') : (s.type ?? 'any')
}

main.append(make('p', spec.info.description))
for (const [path, methods] of Object.entries(spec.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const box = make('details')
    const head = make('summary')
    head.append(make('code', `${method.toUpperCase()} ${path}`), ` ${operation.summary ?? ''}`)
    box.append(head)
    const parameters = (operation.parameters ?? []).map(
      (parameter) => `${parameter.in} ${parameter.name}${parameter.required ? '' : '?'}: ${brief(parameter.schema)}`,
    )
    if (parameters.length > 0) box.append(make('pre', parameters.join('\n')))
    const body = operation.requestBody?.content?.['application/json']?.schema
    if (body) box.append(make('p', 'Body', 'dim'), make('pre', brief(body)))
    for (const [status, answer] of Object.entries(operation.responses ?? {})) {
      for (const [type, { schema }] of Object.entries(answer.content ?? { '': {} }))
        box.append(
          make('p', `${status} ${answer.description} ${type}`, 'dim'),
          ...(schema ? [make('pre', brief(schema))] : []),
        )
    }
    main.append(box)
  }
}
