/** Variables that are set for a command: most are the command's own affair, some decide what code runs at all. */
import type { Finding } from './effects.ts'
import type { Arg } from './words.ts'

const HARMLESS =
  /^(CI|NODE_ENV|TZ|LANG|LANGUAGE|LC_\w+|NO_COLOR|FORCE_COLOR|CLICOLOR|COLUMNS|LINES|DEBUG|VERBOSE|LOG_LEVEL|RUST_BACKTRACE|RUST_LOG)$/
/** Search paths, preloads, start-up files, programs that are started on the side, other homes and servers. */
const DECISIVE =
  /^(PATH|IFS|ENV|BASH\w*|SHELL\w*|PS[0-4]|PROMPT_\w+|CDPATH|GLOBIGNORE|HOME|TMPDIR|USER|LD_\w+|DYLD_\w+|GCONV_PATH|LOCPATH|HOSTALIASES|RESOLV_\w+|GIT_\w+|SSH_\w+|\w*EDITOR|VISUAL|\w*PAGER|BROWSER|LESS\w*|MAN\w*|TERMINFO\w*|NODE_(OPTIONS|PATH|EXTRA_CA_CERTS|REPL\w*)|npm_\w+|NPM_\w+|YARN_\w+|COREPACK_\w+|PYTHON(STARTUP|HOME|INSPECT|BREAKPOINT|WARNINGS|EXECUTABLE)|PIP_\w+|PERL\w*|RUBY\w*|GEM_\w+|BUNDLE_\w+|LUA_\w+|PHP\w*|JAVA_\w+|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|MAVEN_OPTS|GRADLE_OPTS|CLASSPATH|MAKEFLAGS|MFLAGS|GNUMAKEFLAGS|RUSTC\w*|RUSTFLAGS|CARGO_(?!TERM|INCREMENTAL)\w+|RUSTUP_\w+|GOFLAGS|GOPROXY|GONOSUM\w*|GOENV|GOROOT|GOTOOL\w*|CC|CXX|CPP|LD|AR|TAR_OPTIONS|GZIP|GREP_OPTIONS|RIPGREP_\w+|FZF_\w+|JQ_\w+|RSYNC_\w+|CVS_\w+|CURL_\w+|WGETRC|XDG_\w+|DOCKER_\w+|KUBECONFIG|AWS_\w+|AZURE_\w+|GOOGLE_\w+|STINT_\w*|SUDO_\w+|(https?|ftp|all|no)_proxy|(HTTPS?|FTP|ALL|NO)_PROXY|SSL_\w+|OPENSSL_\w+|REQUESTS_\w+)$/
const MEMORY = /^(\s*--(max[-_]old[-_]space[-_]size=\d+|enable-source-maps|no-warnings|trace-warnings)\s*)*$/
export const SECRET_NAME =
  /(SECRET|TOKEN|PASSW|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL|_PAT$|_DSN$|DATABASE_URL|REDIS_URL|CONNECTION_STRING)/i

export function assigning(name: string, value: Arg | undefined, part: string): Finding | undefined {
  if (name === 'NODE_OPTIONS' && value?.value !== undefined && MEMORY.test(value.value)) return undefined
  if (DECISIVE.test(name)) return { effect: 'indirect', reason: `${name} decides what code runs`, part }
  if (HARMLESS.test(name)) return undefined
  return { effect: 'runs', reason: `sets ${name}`, part }
}
