/**
 * The definitions of a file by its syntax tree: what they are called, of what kind, from which line to which, with
 * their signature and what they are inside of. One table of node types for each grammar.
 */
import type { Defined } from '../define.ts'
import type { GrammarName, Node } from './grammars.ts'

type Rule = { kind: string; name?: (node: Node) => Node | null; open?: boolean }

const SIGNATURE_CHARS_MAX = 160
const DEFINITIONS_MAX = 5000
const DEPTH_MAX = 60

const field = (name: string) => (node: Node) => node.childForFieldName(name)
const as = (kind: string, more: Omit<Rule, 'kind'> = {}): Rule => ({ kind, ...more })
/** A definition that holds others. */
const open = (kind: string, more: Omit<Rule, 'kind' | 'open'> = {}): Rule => ({ kind, open: true, ...more })

const simple = (node: Node | null): Node | null => (node?.type === 'identifier' ? node : null)
const isFunction = (node: Node | null): boolean =>
  node !== null && /^(?:arrow_function|function_expression|function|generator_function)$/.test(node.type)
const atTop = (node: Node): boolean =>
  /^(?:program|export_statement)$/.test(node.parent?.type ?? '') ||
  /^(?:program|export_statement)$/.test(node.parent?.parent?.type ?? '')

/** `const f = () => …` is a function; another constant counts at the top of the file alone. */
function variable(node: Node): string | undefined {
  const value = node.childForFieldName('value')
  if (isFunction(value)) return 'function'
  // What another module defines is no definition of this one.
  const imported = /\brequire\s*\(/.test(value?.text.slice(0, 200) ?? '')
  return atTop(node) && !imported ? 'constant' : undefined
}

const SCRIPT: Record<string, Rule> = {
  function_declaration: as('function'),
  generator_function_declaration: as('function'),
  function_signature: as('function'),
  class_declaration: open('class'),
  abstract_class_declaration: open('class'),
  interface_declaration: open('interface'),
  type_alias_declaration: as('type'),
  enum_declaration: as('enum'),
  internal_module: open('namespace'),
  module: open('namespace'),
  method_definition: as('method'),
  abstract_method_signature: as('method'),
  method_signature: as('method'),
  public_field_definition: as('field'),
  field_definition: as('field', { name: field('property') }),
  variable_declarator: as('constant', { name: (node) => simple(node.childForFieldName('name')) }),
  assignment_expression: as('function', { name: assigned }),
}

/** `exports.name = function …`, `Thing.prototype.name = () => …` */
function assigned(node: Node): Node | null {
  const left = node.childForFieldName('left')
  return left?.type === 'member_expression' && isFunction(node.childForFieldName('right'))
    ? left.childForFieldName('property')
    : null
}

/** The name at the bottom of pointers, arrays, references and parameter lists. */
function declared(node: Node): Node | null {
  let here = node.childForFieldName('declarator')
  for (let steps = 0; here && steps < 20; steps++) {
    if (/identifier$|^operator|^destructor_name$/.test(here.type) && here.type !== 'qualified_identifier') return here
    here = here.type === 'qualified_identifier' ? here.childForFieldName('name') : inner(here)
  }
  return null
}
const inner = (node: Node): Node | null =>
  node.childForFieldName('declarator') ??
  node.namedChildren.find((child) => /declarator$/.test(child?.type ?? '')) ??
  null

/** Without a body it only mentions a type. */
const withBody = (node: Node): Node | null => (node.childForFieldName('body') ? node.childForFieldName('name') : null)
/** A prototype, not a variable. */
const prototype = (node: Node): Node | null => {
  const declarator = node.childForFieldName('declarator')
  return declarator?.type === 'function_declarator' ||
    declarator?.childForFieldName('declarator')?.type === 'function_declarator'
    ? declared(node)
    : null
}

const RULES: Record<GrammarName, Record<string, Rule>> = {
  typescript: SCRIPT,
  tsx: SCRIPT,
  javascript: SCRIPT,
  python: {
    function_definition: as('function'),
    class_definition: open('class'),
    assignment: as('constant', {
      name: (node) => (node.parent?.parent?.type === 'module' ? simple(node.childForFieldName('left')) : null),
    }),
  },
  go: {
    function_declaration: as('function'),
    method_declaration: as('method'),
    type_spec: as('type'),
    type_alias: as('type'),
    const_spec: as('constant'),
    var_spec: as('variable'),
  },
  rust: {
    function_item: as('function'),
    function_signature_item: as('function'),
    struct_item: as('struct'),
    enum_item: as('enum'),
    union_item: as('union'),
    trait_item: open('trait'),
    impl_item: open('impl', {
      name: (node) => {
        const type = node.childForFieldName('type')
        return type?.childForFieldName('type') ?? type
      },
    }),
    mod_item: open('module'),
    const_item: as('constant'),
    static_item: as('constant'),
    type_item: as('type'),
    macro_definition: as('macro'),
  },
  java: {
    class_declaration: open('class'),
    interface_declaration: open('interface'),
    enum_declaration: open('enum'),
    record_declaration: open('record'),
    annotation_type_declaration: open('annotation'),
    method_declaration: as('method'),
    constructor_declaration: as('constructor'),
  },
  cpp: {
    function_definition: as('function', { name: declared }),
    declaration: as('function', { name: prototype }),
    field_declaration: as('method', { name: prototype }),
    class_specifier: open('class', { name: withBody }),
    struct_specifier: open('struct', { name: withBody }),
    union_specifier: as('union', { name: withBody }),
    enum_specifier: as('enum', { name: withBody }),
    type_definition: as('type', { name: declared }),
    alias_declaration: as('type'),
    namespace_definition: open('namespace'),
    preproc_def: as('macro'),
    preproc_function_def: as('macro'),
  },
  ruby: {
    class: open('class'),
    module: open('module'),
    method: as('method'),
    singleton_method: as('method'),
    assignment: as('constant', {
      name: (node) => {
        const left = node.childForFieldName('left')
        return left?.type === 'constant' ? left : null
      },
    }),
  },
}
/** What is looked into for definitions, besides those that hold others. */
const THROUGH =
  /^(?:program|module|source_file|translation_unit|export_statement|decorated_definition|lexical_declaration|variable_declaration|expression_statement|ambient_declaration|class_body|interface_body|object_type|statement_block|block|if_statement|try_statement|else_clause|type_declaration|const_declaration|var_declaration|var_spec_list|declaration_list|enum_body_declarations|enum_body|annotation_type_body|field_declaration_list|template_declaration|linkage_specification|preproc_\w+|body_statement|ERROR|singleton_class|begin|then|call)$/

/** `text` is what was parsed, as it is written. */
export function definitionsOf(root: Node, grammar: GrammarName, text: string): Defined[] {
  const rules = RULES[grammar]
  const found: Defined[] = []
  const visit = (node: Node, depth: number, level: number, inside: string | undefined): void => {
    if (found.length >= DEFINITIONS_MAX || level > DEPTH_MAX) return
    const rule = Object.hasOwn(rules, node.type) ? rules[node.type] : undefined
    const named = rule && (rule.name ?? field('name'))(node)
    const kind = named && kindOf(rule, node)
    if (named && kind) {
      const name = text.slice(named.startIndex, named.endIndex)
      const line = named.startPosition.row + 1
      const end = Math.max(line, node.endPosition.row + (node.endPosition.column === 0 ? 0 : 1))
      found.push({ name, kind, line, end, signature: signatureOf(node, text), depth, ...(inside ? { inside } : {}) })
      if (rule.open) each(node, depth + 1, level, name)
    } else if (rule?.open || node === root || THROUGH.test(node.type)) each(node, depth, level, inside)
  }
  const each = (node: Node, depth: number, level: number, inside: string | undefined): void => {
    // Into a function's own block nobody looks: `open` and `THROUGH` name no function.
    for (const child of node.namedChildren) if (child) visit(child, depth, level + 1, inside)
  }
  visit(root, 0, 0, undefined)
  return found
}

function kindOf({ kind }: Rule, node: Node): string | undefined {
  if (node.type === 'variable_declarator') return variable(node)
  if (/^(?:public_)?field_definition$/.test(node.type))
    return isFunction(node.childForFieldName('value')) ? 'method' : 'field'
  if (kind === 'function' && /^(?:class|trait|impl|struct)/.test(holderOf(node)?.type ?? '')) return 'method'
  return kind
}

/** The definition it stands in, through the list that holds it. */
const holderOf = (node: Node): Node | null => {
  const { parent } = node
  return parent && /^(?:decorated_definition|template_declaration)$/.test(parent.type)
    ? (parent.parent?.parent ?? null)
    : (parent?.parent ?? null)
}

const WRAPS = /^(?:export_statement|lexical_declaration|variable_declaration)$/

/** Everything before the body, on one line, without decorators; of what has no body the first line. */
function signatureOf(node: Node, text: string): string {
  const value = node.childForFieldName('value') ?? node.childForFieldName('right')
  const body = node.childForFieldName('body') ?? (isFunction(value) ? (value?.childForFieldName('body') ?? null) : null)
  let outer = node
  while (outer.parent && WRAPS.test(outer.parent.type)) outer = outer.parent
  const head = body ? text.slice(outer.startIndex, body.startIndex) : text.slice(outer.startIndex, node.endIndex)
  const plain = head
    .replace(/^(?:\s*(?:@[\w.]+(?:\([^)]*\))?|#\[[^\]]*\]))+\s*/, '')
    .split('\n')
    .slice(0, body ? 12 : 1)
    .filter((line) => !/^\s*(?:#(?!\w)|\/\/|\/\*|\*)/.test(line))
    .map((line) => line.replace(/\s\/\/.*$/, ''))
    .join(' ')
    .replace(/\s+/g, ' ')
    .replace(/\s*(?:=>|[{:=])\s*$/, '')
    .trim()
  return plain.length > SIGNATURE_CHARS_MAX ? `${plain.slice(0, SIGNATURE_CHARS_MAX)}…` : plain
}
