/**
 * Definitions in source text, found line by line with one table of patterns a language family. It is not a parser: it
 * reads a line in microseconds, never fails, and is right about the names that people search for.
 */
import type { Family } from './languages.ts'

/** `line` is 1-based; `indent` is the width of the white space before it. */
export type Definition = { name: string; line: number; indent: number; kind: string }

type Rule = { pattern: RegExp; kind: string /** only without indentation */; top?: boolean; indented?: boolean }

const rule = (kind: string, pattern: RegExp, where: Omit<Rule, 'pattern' | 'kind'> = {}): Rule => ({
  kind,
  pattern,
  ...where,
})

const NAME = '([A-Za-z_$][\\w$]*)'
const TYPES = rule(
  'type',
  /^(?:(?:export|default|declare|abstract|public|private|protected|internal|static|final|sealed|open|data|inner|partial|case|inline|value|annotation|override|pub|unsafe)\s+)*(?:class|interface|enum(?:\s+class)?|record|object|struct|trait|protocol|extension|namespace|module|union)\s+([A-Za-z_$][\w$]*)/,
)

const RULES: Record<Family, Rule[]> = {
  script: [
    rule(
      'function',
      new RegExp(`^(?:export\\s+)?(?:default\\s+)?(?:declare\\s+)?(?:async\\s+)?function\\s*\\*?\\s*${NAME}`),
    ),
    TYPES,
    rule('type', new RegExp(`^(?:export\\s+)?(?:declare\\s+)?type\\s+${NAME}\\s*(?:<|=)`)),
    rule('constant', new RegExp(`^(?:export\\s+)?(?:declare\\s+)?(?:const|let|var)\\s+${NAME}\\s*(?::|=)`), {
      top: true,
    }),
    rule(
      'function',
      new RegExp(
        `^(?:const|let|var)\\s+${NAME}\\s*=\\s*(?:async\\s*)?(?:function\\b|\\([^)]*\\)\\s*(?::[^=]+)?=>|\\w+\\s*=>)`,
      ),
    ),
    rule('method', /^(?:[A-Za-z_$][\w$]*\.)+([A-Za-z_$][\w$]*)\s*=\s*(?:async\s*)?(?:function\b|\()/),
    rule(
      'method',
      /^(?:(?:public|private|protected|static|async|override|readonly|get|set)\s+)*[*#]?(?!(?:if|for|while|switch|catch|function|return|with|do|else|new|throw|await|typeof|super)\b)([A-Za-z_$][\w$]*)\s*(?:<[^>]*>)?\([^;]*\{\s*$/,
      { indented: true },
    ),
    rule(
      'method',
      new RegExp(
        `^(?:(?:public|private|protected|static|readonly)\\s+)*#?${NAME}\\s*[=:]\\s*(?:async\\s*)?(?:function\\b|\\([^)]*\\)\\s*(?::[^=]+)?=>)`,
      ),
      { indented: true },
    ),
  ],
  python: [
    rule('function', /^(?:async\s+)?(?:def|cdef|cpdef)\s+(\w+)/),
    rule('type', /^(?:cdef\s+)?class\s+(\w+)/),
    rule('constant', /^([A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)/, { top: true }),
  ],
  go: [
    rule('function', /^func\s+(?:\([^)]*\)\s*)?(\w+)/, { top: true }),
    rule('type', /^type\s+(\w+)/, { top: true }),
    rule('constant', /^(?:var|const)\s+(\w+)/, { top: true }),
  ],
  rust: [
    rule(
      'function',
      /^(?:pub(?:\([^)]*\))?\s+)?(?:(?:default|const|async|unsafe|inline|export|extern(?:\s+"[^"]*")?)\s+)*fn\s+(\w+)/,
    ),
    rule('type', /^(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(?:struct|enum|trait|type|union|mod)\s+(\w+)/),
    rule('macro', /^macro_rules!\s*(\w+)/),
    rule('constant', /^(?:pub(?:\([^)]*\))?\s+)?(?:static|const)\s+(?:mut\s+)?([A-Za-z_]\w*)/),
    rule('impl', /^(?:unsafe\s+)?impl\b(?:\s*<[^{]*?>)?\s+(?:[\w:<>'&, ]+?\s+for\s+)?(?:\w+::)*([A-Z]\w*)/),
  ],
  java: [
    TYPES,
    rule(
      'function',
      /^(?:(?:public|private|protected|internal|inline|override|suspend|open|abstract|final|operator|tailrec|infix|static|async|virtual|implicit|lazy)\s+)*(?:fun|def)\s+(?:<[^>]*>\s*)?(?:[\w<>?]+\.)?(\w+)/,
    ),
    rule(
      'method',
      /^(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|private|protected|internal|static|final|abstract|synchronized|native|default|override|virtual|async|sealed|extern|unsafe|new)\s+)*(?!(?:return|new|else|throw|if|for|while|switch|case)\b)(?:<[^>]*>\s*)?[\w.]+(?:<[^(]*>)?(?:\[\])*\??\s+(\w+)\s*\([^;]*$/,
      { indented: true },
    ),
    rule('method', /^(?:(?:public|private|protected)\s+)([A-Z]\w*)\s*\([^;]*$/, { indented: true }),
  ],
  c: [
    rule('macro', /^#\s*define\s+(\w+)/),
    rule('type', /^(?:typedef\s+)?(?:struct|class|enum(?:\s+class)?|union|namespace)\s+(?:[A-Z_]+\s+)?(\w+)[^;()]*$/),
    rule('type', /^typedef\b.*?(\w+)\s*;\s*$/, { top: true }),
    rule(
      'function',
      /^(?!(?:return|else|if|for|while|switch|case|do|goto|using|typedef|delete|throw)\b)(?:[\w:*&<>,~[\]()]+\s+)*[*&]*(?:\w+(?:<[^>]*>)?::)*(~?\w+)\s*\([^;]*$/,
      { top: true },
    ),
    rule(
      'function',
      /^(?:(?:inline|static|virtual|explicit|constexpr|friend|template|FMT_\w+|auto|const)\s+)+(?:[\w:*&<>,]+\s+)*[*&]*(\w+)\s*\([^;]*\{/,
      { indented: true },
    ),
  ],
  ruby: [
    rule(
      'function',
      /^(?:(?:private|public|protected|private_class_method)\s+)?(?:def|defp|defmacro)\s+(?:self\.)?([\w?!]+)/,
    ),
    rule('type', /^(?:class|module|defmodule)\s+(?:\w+(?:::|\.))*(\w+)/),
    rule('constant', /^([A-Z][A-Z0-9_]+)\s*=/),
    rule('method', /^(?:attr_\w+|alias_method|scope|define_method)\s*\(?:?(\w+)/),
  ],
  php: [TYPES, rule('function', /^(?:(?:public|private|protected|static|final|abstract)\s+)*function\s+&?(\w+)/)],
  swift: [
    TYPES,
    rule(
      'function',
      /^(?:(?:@\w+|public|private|internal|open|fileprivate|static|class|override|mutating|final)\s+)*func\s+(\w+)/,
    ),
  ],
  shell: [
    rule('function', /^(?:local\s+)?(?:function\s+|sub\s+)([\w.:-]+)/),
    rule('function', /^([\w-]+)\s*\(\)\s*\{?/),
  ],
  text: [],
}

/** A longer line defines nothing that is worth a pattern's time. */
const LINE_CHARS_MAX = 400

/** The definitions of `lines`, in their order. */
export function definitionsIn(lines: readonly string[], family: Family): Definition[] {
  const rules = RULES[family]
  const found: Definition[] = []
  if (rules.length === 0) return found
  lines.forEach((text, at) => {
    if (text.length > LINE_CHARS_MAX) return
    const indent = text.search(/\S/)
    if (indent < 0 || isComment(text, indent)) return
    const line = text.slice(indent)
    for (const { pattern, kind, top, indented } of rules) {
      if ((top && indent > 0) || (indented && indent === 0)) continue
      const name = pattern.exec(line)?.[1]
      if (name === undefined) continue
      found.push({ name, line: at + 1, indent, kind })
      return
    }
  })
  return found
}

/** A line of comment in any of these languages; Python's and Ruby's `#` is told from C's `#define`. */
export function isComment(text: string, indent = text.search(/\S/)): boolean {
  const first = text[indent]
  const second = text[indent + 1]
  if (first === '/') return second === '/' || second === '*'
  if (first === '*') return second === ' ' || second === '/' || second === undefined || second === '*'
  if (first === '#') return second === ' ' || second === undefined || second === '#' || second === '!'
  return false
}
