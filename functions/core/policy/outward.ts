/** Programs that reach beyond the workspace: the network, package registries, other machines, the system itself. */
import { readOptions, words } from './options.ts'
import { readingOf, secretText, writingTo } from './places.ts'
import { type Call, found, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

const LOOPBACK = /^(https?:\/\/)?(localhost|127(\.\d{1,3}){3}|\[::1\]|0\.0\.0\.0)([:/?#]|$)/i
const CURL_VALUED = words(
  `o K T F d H A b c e E u U x X m w D C r Y y z Q t P data data-raw data-binary data-urlencode data-ascii json form
   form-string upload-file output config header user user-agent cookie cookie-jar referer request proxy url url-query
   max-time connect-timeout retry retry-delay write-out dump-header cacert cert key output-dir variable resolve interface`,
)
const CURL_SENDS = /^(d|T|F|json|data.*|form.*|upload-file|url-query|Q|quote)$/
const CURL_WRITES = /^(o|output|D|dump-header|c|cookie-jar|output-dir|trace|trace-ascii|stderr|etag-save|hsts|libcurl)$/
const CURL_HIDES = /^(K|config|variable|engine|proxy-.*|preproxy|netrc-file|unix-socket|abstract-unix-socket)$/

const curl: Rule = ({ args, part, program }) => {
  const { options, operands } = readOptions(args, CURL_VALUED)
  const given = options.map(({ name, long, value, arg }) => ({ name: name === 'O' ? '' : name, long, value, arg }))
  const urls = [...operands, ...given.flatMap(({ name, value }) => (name === 'url' && value ? [value] : []))]
  const inside = urls.length > 0 && urls.every(({ shape }) => LOOPBACK.test(shape))
  // A long name may be shortened.
  const names = given.flatMap(({ name, long }) =>
    long ? [name, ...[...CURL_VALUED].filter((full) => full.startsWith(name))] : [name],
  )
  const any = (pattern: RegExp) => names.some((name) => pattern.test(name))
  const files = given.flatMap(({ name, value }) =>
    CURL_SENDS.test(name) &&
    value &&
    /@|^(T|upload-file)$/.test(`${value.shape}${name === 'T' || name === 'upload-file' ? '@' : ''}`)
      ? [{ ...value, shape: value.shape.replace(/^.*@/, '') }]
      : [],
  )
  return present([
    ...given.map(({ name, value }) =>
      CURL_WRITES.test(name) && value && value.shape !== '-' ? writingTo(value, part) : undefined,
    ),
    ...files.map((arg) => readingOf(arg, part)),
    ...(any(CURL_HIDES) ? found('harms', `${program} is told by a file where to go`, part) : []),
    ...(!inside && any(CURL_SENDS) ? found('harms', `${program} sends data out`, part) : []),
    ...(!inside && urls.some(({ text }) => /[$<>]\(|`/.test(text))
      ? found('harms', `${program} carries data out in an address`, part)
      : []),
    ...(!inside && urls.some(({ value }) => value === undefined)
      ? found('reaches', `${program} sends what the shell fills in`, part)
      : []),
    ...(urls.some(({ shape }) => /^(file|dict|gopher|ldap|tftp|scp|sftp|smb|telnet):/i.test(shape))
      ? found('harms', `${program} is used for another protocol`, part)
      : []),
    ...(urls.some(({ shape }) => /169\.254\.|metadata\.google|\[?fd00:ec2/i.test(shape))
      ? found('harms', "asks for the machine's own credentials", part)
      : []),
    ...(inside
      ? found('runs', `${program} talks to a server of this machine`, part)
      : found('reaches', `${program} talks to the network`, part)),
  ])
}

const wget: Rule = ({ args, part }) => {
  const { options, operands } = readOptions(
    args,
    words(
      'O o P e U i a t T output-document output-file directory-prefix post-data post-file body-data body-file header method use-askpass config execute input-file',
    ),
  )
  const any = (pattern: RegExp) => options.some(({ name }) => pattern.test(name))
  const inside = operands.length > 0 && operands.every(({ shape }) => LOOPBACK.test(shape))
  return present([
    ...options.map(({ name, value }) =>
      /^(O|o|P|output-\w+|directory-prefix)$/.test(name) && value && value.shape !== '-'
        ? writingTo(value, part)
        : undefined,
    ),
    ...(any(/^(e|execute|config|i|input-file|use-askpass)$/)
      ? found('harms', 'wget is told by other text where to go', part)
      : []),
    ...(!inside && any(/^(post|body)-/) ? found('harms', 'wget sends data out', part) : []),
    ...(operands.some(({ shape }) => /169\.254\.|metadata\.google/.test(shape))
      ? found('harms', "asks for the machine's own credentials", part)
      : []),
    ...(inside
      ? found('runs', 'wget talks to a server of this machine', part)
      : found('reaches', 'wget talks to the network', part)),
  ])
}

/** A name that is looked up tells the one who answers: with a dynamic part it carries data out. */
const lookup: Rule = ({ args, part, program }) =>
  args.some(({ value }) => value === undefined)
    ? found('harms', `${program} can carry data out in a name`, part)
    : found('reaches', `${program} talks to the network`, part)

const ssh: Rule = ({ args, part, program }) =>
  args.some(({ shape }) => /^-([oFJeWLRDwS]|-rsh|-rsync-path)|Proxy|LocalCommand|^ext::/i.test(shape))
    ? found('hides', `${program} may run a program or open a tunnel`, part)
    : [
        ...present([
          ...args.map((arg) => readingOf(arg, part)),
          ...args.slice(-1).map((arg) => writingTo(arg, part)),
        ]).filter(({ effect }) => effect === 'harms'),
        ...found('reaches', `${program} reaches another machine`, part),
      ]

const socket: Rule = ({ args, part, program }) =>
  args.some(({ shape }) => /^-\w*[ec]|^--(exec|sh-exec|lua-exec)|EXEC:|SYSTEM:|SHELL:/i.test(shape))
    ? found('harms', `${program} gives a shell to the network`, part)
    : found('harms', `${program} opens a raw connection`, part)

const reaching =
  (reason: string): Rule =>
  ({ part }) =>
    found('reaches', reason, part)
const harming =
  (reason: string): Rule =>
  ({ part }) =>
    found('harms', reason, part)

const ps: Rule = ({ args, part }) =>
  args.some(({ shape }) => /^[a-z]*e[a-z]*$|^--?[a-z]*E$/.test(shape))
    ? found('harms', 'ps shows the environment of others', part)
    : found('runs', 'ps shows what others run', part)

const kill: Rule = ({ args, part }) => {
  const targets = args.filter(({ shape }, i) => !(i === 0 && shape.startsWith('-')) && args[i - 1]?.shape !== '-s')
  if (args[0]?.shape === '-l') return []
  const all = targets.some(({ shape }) => /^(-?[01]|--?\d+|-1)$/.test(shape))
  return all
    ? found('harms', 'ends processes that are not of this command', part)
    : found('runs', 'ends a process', part)
}

/** What a package manager does by its first word. */
type Manager = { versions?: RegExp; outward: RegExp; secret?: RegExp; decides?: RegExp; bare?: boolean }
const manager =
  ({ versions, outward, secret, decides, bare }: Manager): Rule =>
  ({ args, part, program }: Call) => {
    if (args.length === 1 && versions?.test(args[0]?.value ?? '')) return []
    const words = args.map(({ shape }) => shape)
    const sub = words.find((word) => !word.startsWith('-')) ?? ''
    const all = words.join(' ')
    const odd = words.some((word) =>
      /^--(script-shell|node-options|prefix|globalconfig|userconfig|init-module|registry|index-url|extra-index-url|config|git)\b/.test(
        word,
      ),
    )
    return [
      ...(secret?.test(all) ? found('harms', `${program} ${sub} deals with credentials`, part) : []),
      ...(decides?.test(all) || odd
        ? found('hides', `${program} ${sub} is told where packages or shells come from`, part)
        : []),
      ...(outward.test(all) || (bare && sub === '')
        ? found('reaches', `${program} ${sub} talks to a registry`.replace(/ {2}/, ' '), part)
        : []),
      ...found('runs', `${program} runs code of the repo or of packages`, part),
    ]
  }

const NODE_OUT =
  /(^|\s)(i|in|ins|install|ci|clean-install|it|install-\S*|isntall|add|update|up|upgrade|dlx|create|init|exec|x|publish|unpublish|audit|outdated|view|info|show|search|login|logout|adduser|whoami|link|pack|dedupe|ddp|rebuild|access|owner|team|dist-tag|deprecate|star|ping|doctor|fund|explore|import|self-update|set|set-version|upgrade-interactive|global)(\s|$)/
const NODE: Manager = {
  outward: NODE_OUT,
  secret: /^(token|adduser|login|config (ls|list)|get (\/\/|_auth))/,
  decides: /^(config (set|edit|delete)|set |pkg set|set-script)/,
}

export const OUTWARD: Record<string, Rule> = {
  curl,
  wget,
  ...Object.fromEntries(
    'nslookup dig host ping ping6 traceroute tracepath mtr whois getent resolvectl drill'
      .split(' ')
      .map((name) => [name, lookup]),
  ),
  ...Object.fromEntries(
    'ssh scp sftp rsync mosh autossh sshpass ssh-copy-id ssh-keygen ssh-add ssh-agent'
      .split(' ')
      .map((name) => [name, ssh]),
  ),
  ...Object.fromEntries('nc ncat netcat socat telnet cryptcat'.split(' ').map((name) => [name, socket])),
  kill,
  ps,
  npm: manager({ ...NODE, versions: /^(--version|-v)$/ }),
  pnpm: manager({ ...NODE, versions: /^(--version|-v)$/, bare: true }),
  yarn: manager({ ...NODE, bare: true }),
  bunx: reaching('bunx may download a package'),
  npx: ({ args, part }) =>
    args.some(({ shape }) => /^(-y|--yes|-p|--package.*|-c|--call.*)$/.test(shape)) ||
    /@\d|@latest|^(https?|git|github):|\//.test(args.find(({ shape }) => !shape.startsWith('-'))?.shape ?? '')
      ? found('reaches', 'npx downloads and runs a package', part)
      : found('runs', 'npx runs a package', part),
  corepack: reaching('corepack downloads package managers'),
  ...Object.fromEntries(
    ['pip', 'pip3', 'pipx', 'uv', 'uvx', 'poetry', 'conda', 'mamba', 'pipenv', 'hatch', 'pdm'].map((name) => [
      name,
      manager({
        versions: /^(--version|-V)$/,
        outward:
          /(^|\s)(install|download|add|sync|update|upgrade|lock|publish|search|wheel|tool|create|self|pip|login|inject|run --with)(\s|$)/,
        secret: /^config (list|get)/,
        decides: /^config set/,
      }),
    ]),
  ),
  cargo: manager({
    outward: /^(\+\S+ )?(install|add|update|publish|login|logout|search|fetch|owner|yank|vendor|generate-lockfile)\b/,
    secret: /^log(in|out)/,
  }),
  go: manager({
    versions: /^version$/,
    outward: /^(get|install|mod (download|tidy|vendor|init|why|graph)|work sync|telemetry)\b|@v?\d|@latest/,
    decides: /^env -[wu]|-(toolexec|exec|overlay|modfile|ldflags)/,
  }),
  ...Object.fromEntries(
    'apt apt-get aptitude dpkg yum dnf apk pacman zypper brew port snap flatpak rpm gem bundle composer nuget dotnet mix rebar3 cabal stack opam luarocks cpan cpanm rustup nvm asdf volta mise sdk pyenv rbenv'
      .split(' ')
      .map((name) => [name, reaching(`${name} installs or fetches software`)]),
  ),
  ...Object.fromEntries(
    'gh glab hub docker podman kubectl helm terraform pulumi ansible ansible-playbook vagrant aws gcloud gsutil az doctl heroku vercel netlify fly flyctl wrangler serverless sst psql mysql mongo mongosh redis-cli sqlcmd ftp lftp rclone s3cmd mc mail mailx sendmail mutt open xdg-open gio dbus-send notify-send osascript systemctl service launchctl journalctl'
      .split(' ')
      .map((name) => [name, outer(name)]),
  ),
  ...Object.fromEntries(
    'mknod sudo su doas pkexec runuser setpriv capsh chroot unshare nsenter mount umount pivot_root losetup swapon swapoff insmod modprobe rmmod sysctl iptables ip6tables nft ip ifconfig route tc setcap setfacl chattr passwd useradd userdel usermod groupadd visudo vipw chsh chfn mkfs fdisk sfdisk parted gparted wipefs mkswap blkdiscard hdparm cryptsetup lvm reboot shutdown halt poweroff init telinit kexec crontab at batch atd debugfs tcpdump ettercap nmap masscan hydra bpftool bpftrace perf gcore ptrace rfkill efibootmgr grub-install update-grub ldconfig update-alternatives bwrap firejail machinectl systemd-run loginctl keyctl security ssh-keyscan gpg gpg2 pass secret-tool'
      .split(' ')
      .map((name) => [name, harming(`${name} changes the machine or asks for rights and secrets`)]),
  ),
  ...Object.fromEntries(
    'pkill killall killall5 skill'
      .split(' ')
      .map((name) => [name, harming(`${name} ends processes that are not of this command`)]),
  ),
}

function outer(name: string): Rule {
  return ({ args, part }) => {
    const all = args.map(({ shape }: Arg) => shape).join(' ')
    return secretText(all) ||
      /(^|\s)(auth (token|status -t|print-access-token)|secrets? |configure get|sts |--privileged|config view --raw|get-login|print-access-token)|(^|\s)(-v|--volume|--mount)[ =]\/|docker\.sock/.test(
        all,
      )
      ? found('harms', `${name} is asked for credentials or for the whole machine`, part)
      : found('reaches', `${name} works outside the workspace`, part)
  }
}
