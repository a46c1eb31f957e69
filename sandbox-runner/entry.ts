/**
 * Whether this process was started by the file of that name. By the name and not by the module's own address, because in
 * the bundles a module that two entries share is in a file of neither.
 */
import { basename } from 'node:path'

export const startedAs = (name: string): boolean =>
  /^(.*)\.(ts|mjs)$/.exec(basename(process.argv[1] ?? ''))?.[1] === name
