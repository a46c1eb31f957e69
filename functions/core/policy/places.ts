/**
 * Where a path of a command line leads, by its text alone: nothing is looked up, so a link inside the workspace may
 * still lead elsewhere; what holds is the sandbox. The same names count as secret here as for the file tools.
 */
import type { Finding } from './effects.ts'
import type { Arg } from './words.ts'

const SECRET =
  /^(\.env(rc|\.(?!example$|sample$|template$|defaults?$|dist$).*)?|\.netrc|_netrc|\.git-credentials|\.pgpass|\.pypirc|\.dockercfg|\.vault-token|\.my\.cnf|\.s3cfg|\.boto|\.(bash|zsh|sh|python|node_repl|psql|mysql)_history|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk)|credentials\.json|secrets?\.(json|ya?ml|toml|txt|env)|application_default_credentials\.json|service[-_]account.*\.json|\.htpasswd|terraform\.tfstate(\.backup)?)$/i
/** Common words that say so only at the end of a path, and places of the system. */
const SECRET_LAST = /^(secrets?|credentials)$/i
const SECRET_PLACE =
  /^\/(etc\/(g?shadow-?|sudoers.*|ssl\/private.*|ssh\/ssh_host_.*)|proc\/.*(environ|mem|cmdline|maps|fd|root|cwd|auxv).*|dev\/k?mem)$/
const SECRET_DIR = /^(\.aws|\.ssh|\.gnupg|\.kube|\.docker|\.azure|\.gcloud|gcloud|\.password-store|sudoers\.d)$/i
/** Enough names to see whether a glob could name a secret. */
const SAMPLES = `.env .envrc .env.local .env.production .netrc .npmrc .pypirc .pgpass .git-credentials .htpasswd id_rsa
  id_ed25519 id_ecdsa server.pem server.key cert.p12 credentials secret secrets terraform.tfstate .bash_history environ shadow`.split(
  /\s+/,
)
const SAMPLE_DIRS = ['.aws', '.ssh', '.gnupg', '.kube', '.docker', '.git', '..']
/** Files that make tools run code, or change what Stint may do. */
/** Names that often hold a secret and often none: asked about. */
const DOUBTFUL =
  /^(\.npmrc|\.yarnrc(\.yml)?|\.dev\.vars|\.flaskenv|\.Renviron|kubeconfig|.*\.(tfvars|ovpn|gpg|asc|keyring)|(tokens?|passwords?|passwd|api[-_]?keys?|client[-_]secret.*|firebase-adminsdk.*|auth)(\.(txt|json|ya?ml))?)$/i
const PROTECTED =
  /(^|\/)(\.gitattributes|\.gitmodules|\.npmrc|\.yarnrc(\.yml)?|\.yarn\/.*|\.pnpmfile\.c?js|\.envrc|\.husky\/.*|\.vscode\/.*|\.idea\/.*|\.devcontainer\/.*|\.github\/(workflows|actions)\/.*|\.gitlab-ci\.yml|\.circleci\/.*|azure-pipelines\.yml|Jenkinsfile|\.pre-commit-config\.yaml|\.cargo\/.*|\.bazelrc|\.mcp\.json|\.(claude|codex|gemini|cursor)\/.*|\.stint\/(?!output\/).*)$/i
const SYSTEM =
  /^\/(etc|usr|bin|sbin|lib\w*|boot|dev|proc|sys|var|root|run|opt|srv|snap|private|System|Library)(\/|$)|^\/+$/
const TEMP = /^\/(var\/)?tmp(\/|$)/
/** The ends of a pipe and the sink: named as files, but none. */
const STREAM = /^\/dev\/(null|stdin|stdout|stderr|fd\/\d+|zero|tty)$/

const DEVICE = /^\/dev\/(sd|nvme|vd|xvd|hd|dm-|mapper|disk|loop|mmcblk|k?mem|port|input|uinput)/

export const isProtected = (path: string): boolean => PROTECTED.test(clean(path))

/** What reading the content of a file tells; undefined when it is one of the workspace. */
export function readingOf(arg: Arg, part = arg.text): Finding | undefined {
  const path = arg.shape
  if (/^\/dev\/(tcp|udp)\//.test(path)) return { effect: 'harms', reason: 'talks to the network', part }
  if (STREAM.test(path)) return undefined
  if (DEVICE.test(path)) return { effect: 'harms', reason: 'reads a device', part }
  const secret = secretIn(arg)
  if (secret === 'surely') return { effect: 'harms', reason: 'may hold secrets', part }
  const beyond = beyondOf(arg, part)
  if (beyond && arg.shape.split('/').some((name) => SECRET_DIR.test(name)))
    return { effect: 'harms', reason: 'is a folder of secrets', part }
  if (beyond) return beyond
  if (secret === 'maybe') return { effect: 'runs', reason: 'could name a file that holds secrets', part }
  return undefined
}

/** What naming a file tells (its size, that it is there): a secret's name is none. */
export function namingOf(arg: Arg, part = arg.text): Finding | undefined {
  if (STREAM.test(arg.shape)) return undefined
  if (arg.shape.split('/').some((name) => SECRET_DIR.test(name)) && beyondOf(arg, part))
    return { effect: 'harms', reason: 'is a folder of secrets', part }
  return beyondOf(arg, part)
}

/** What writing there does: at least a change. */
export function writingTo(arg: Arg, part = arg.text): Finding | undefined {
  const path = arg.shape
  if (/^\/dev\/(tcp|udp)\//.test(path)) return { effect: 'harms', reason: 'talks to the network', part }
  if (STREAM.test(path)) return undefined
  const names = namesOf(path)
  if (isTemp(path)) return { effect: 'changes', reason: 'writes a temporary file', part }
  if (SYSTEM.test(folded(path)) || /^\/[^/]*$/.test(path))
    return { effect: 'harms', reason: 'writes to the system', part }
  if (names.some(isGit) || dirsOf(arg).some((name) => name === '.git'))
    return { effect: 'harms', reason: 'writes inside .git', part }
  if (arg.home || (isOutside(path) && names.some((name) => /^\.\w/.test(name))))
    return { effect: 'harms', reason: 'writes to the home folder', part }
  if (isOutside(path) || dirsOf(arg).includes('..'))
    return { effect: 'reaches', reason: 'writes outside the workspace', part }
  if (isProtected(path)) return { effect: 'reaches', reason: `${path} is a protected file`, part }
  if (secretIn(arg) === 'surely') return { effect: 'reaches', reason: 'writes a file that may hold secrets', part }
  return { effect: 'changes', reason: 'changes files', part }
}

/** What removing it does: whole trees of other people are worse than a file beside. */
export function removing(arg: Arg, part = arg.text): Finding | undefined {
  const names = namesOf(arg.shape)
  const all = names.every((name) => name === '..') || /^\/(var\/)?tmp\/*$/.test(arg.shape)
  if (all && arg.shape !== '') return { effect: 'harms', reason: 'removes everything', part }
  const finding = writingTo(arg, part)
  if (finding?.effect !== 'reaches' || isProtected(arg.shape)) return finding
  return isOutside(arg.shape) || dirsOf(arg).includes('..') ? { ...finding, effect: 'harms' } : finding
}

/** The workspace itself, as `.`, `./` and the like. */
export const isRoot = (path: string): boolean => path.startsWith('.') && namesOf(path).length === 0

/** Leaves the workspace by its text: absolute, a home folder, or more `..` than folders at any point. */
export function isOutside(path: string): boolean {
  if (/^[/~]/.test(path)) return true
  let depth = 0
  for (const name of path.split('/')) {
    if (name === '..') depth--
    else if (name !== '' && name !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

function beyondOf(arg: Arg, part: string): Finding | undefined {
  const path = arg.shape
  if (arg.home) return { effect: 'reaches', reason: 'is outside the workspace', part }
  if (isTemp(path)) return { effect: 'runs', reason: 'is a temporary file', part }
  if (isOutside(path) || dirsOf(arg).includes('..'))
    return { effect: 'reaches', reason: 'is outside the workspace', part }
  if (namesOf(path).some(isGit) || dirsOf(arg).includes('.git'))
    return { effect: 'reaches', reason: "is git's own", part }
  return undefined
}

/** Names of a word, whatever separates them: `a=.env`, `HEAD:.env`, `{x,.env}` hold one each. */
function secretIn(arg: Arg): 'surely' | 'maybe' | undefined {
  const names = arg.shape.split(/[/\0\s'",;:=@{}()|]+/)
  const path = `/${namesOf(arg.shape).join('/')}`
  if (
    SECRET_LAST.test(names.at(-1) ?? '') ||
    (arg.shape.startsWith('/') && (SECRET_PLACE.test(path) || SECRET_PLACE.test(folded(path))))
  )
    return 'surely'
  if (names.some((name) => SECRET.test(name)) || names.slice(0, -1).some((name) => SECRET_DIR.test(name)))
    return 'surely'
  if (DOUBTFUL.test(names.at(-1) ?? '')) return 'maybe'
  if (arg.value === undefined && secretText(arg.text)) return 'surely'
  if (!arg.pattern) return undefined
  const last = arg.pattern.at(-1)
  const lastText = arg.shape.split('/').at(-1) ?? ''
  const hit = SAMPLES.some((name) => last?.test(name) && (!name.startsWith('.') || lastText.startsWith('.')))
  const inDir = dirsOf(arg).some((name) => SECRET_DIR.test(name))
  if (!hit && !inDir) return undefined
  // `.en?` is meant for one name; `*` is meant for all of them.
  return inDir || /^[^*?[]/.test(lastText) ? 'surely' : 'maybe'
}

/** Text that the shell still works on: the names in it that are certain. */
export const secretText = (text: string): boolean =>
  text.split(/[/\s'"`{},;:=@()$|<>&]+/).some((name) => SECRET.test(name))

/** Folders a glob could mean, of those that matter. */
function dirsOf(arg: Arg): string[] {
  if (!arg.pattern) return []
  const texts = arg.shape.split('/')
  const reach = (name: string, i: number) =>
    arg.pattern?.[i]?.test(name) === true && texts[i]?.startsWith('.') === true && /[*?[]/.test(texts[i] ?? '')
  return SAMPLE_DIRS.filter((name) => texts.some((_, i) => reach(name, i)))
}

const isTemp = (path: string): boolean => TEMP.test(path) && !path.split('/').includes('..')
/** `/tmp/../etc` as the kernel would mostly see it. */
const folded = (path: string): string => {
  if (!path.startsWith('/')) return path
  const names: string[] = []
  for (const name of namesOf(path)) {
    if (name === '..') names.pop()
    else names.push(name)
  }
  return `/${names.join('/')}`
}
const clean = (path: string): string => namesOf(path).join('/')
const namesOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
const isGit = (name: string): boolean => /^(\.git|git~1)$/i.test(name)
