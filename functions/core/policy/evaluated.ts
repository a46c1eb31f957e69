/** Arithmetic and tests: they evaluate names, and a subscript in one can hold a command. */
import type { TestExpression } from 'unbash'
import type { Finding } from './effects.ts'
import { found } from './rule.ts'

/** Arithmetic evaluates what a variable holds, and a subscript can hold a command. */
export const arithmetic = (text: string, part: string): Finding[] =>
  /[[`]|\$\(/.test(text)
    ? found('indirect', 'arithmetic may run what a subscript holds', part)
    : found('runs', 'the shell calculates', part)

export function testIn(test: TestExpression, part: string): Finding[] {
  switch (test.type) {
    case 'TestUnary':
      return /^-[vR]$/.test(test.operator) ? found('indirect', 'test -v may run what a subscript holds', part) : []
    case 'TestBinary':
      return /^-(eq|ne|lt|le|gt|ge)$/.test(test.operator) &&
        ![test.left, test.right].every(({ text }) => /^"?(-?\d+|\$\w+|\$[#?*@])"?$/.test(text))
        ? found('indirect', 'arithmetic may run what a subscript holds', part)
        : []
    case 'TestLogical':
      return test.operands.flatMap((operand) => testIn(operand, part))
    case 'TestNot':
      return testIn(test.operand, part)
    case 'TestGroup':
      return testIn(test.expression, part)
  }
}
