/** The sandbox's image: built for arm64, pushed to the account's own registry, named by its digest. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Account, ROOT, run } from './checks.ts'

const REPOSITORY = 'stint-sandbox'

/** Stops with one line for people. */
export class Stop extends Error {}

/** Shows what it prints. */
export function must(program: string, args: string[], env: Record<string, string> = {}): void {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) throw new Stop(`${program} ${args[0]} failed: ${error?.message ?? `exit code ${status}`}`)
}

export function pushImage({ account, region }: Account): string {
  const registry = `${account}.dkr.ecr.${region}.amazonaws.com`
  const known = run('aws', ['ecr', 'describe-repositories', '--repository-names', REPOSITORY, '--region', region])
  if (!known.ok)
    must('aws', [
      ...['ecr', 'create-repository', '--repository-name', REPOSITORY, '--region', region],
      ...['--image-tag-mutability', 'IMMUTABLE', '--image-scanning-configuration', 'scanOnPush=true'],
    ])
  const password = run('aws', ['ecr', 'get-login-password', '--region', region])
  if (!password.ok) throw new Stop(`no way into ECR: ${password.out}`)
  const login = spawnSync('docker', ['login', '--username', 'AWS', '--password-stdin', registry], {
    input: password.out,
    encoding: 'utf8',
  })
  if (login.status !== 0) throw new Stop(`docker login failed: ${login.stderr}`)
  const told = join(mkdtempSync(join(tmpdir(), 'stint-image-')), 'image.json')
  const tag = `${registry}/${REPOSITORY}:${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`
  must('docker', [
    // Lambda takes one manifest, and no attestations beside it.
    ...['buildx', 'build', '--platform', 'linux/arm64', '--provenance=false', '--sbom=false', '--push'],
    ...['--metadata-file', told, '--tag', tag, '--file', 'sandbox-runner/Dockerfile', '.'],
  ])
  const digest = (JSON.parse(readFileSync(told, 'utf8')) as Record<string, string>)['containerimage.digest']
  if (!digest) throw new Stop('docker buildx did not tell the digest of the image')
  return `${registry}/${REPOSITORY}@${digest}`
}
