/** Takes out of a text what looks like a secret: for logs, errors and whatever a server said about our request. */

/** Keys by their form, and whatever follows a word that announces a secret. */
const SECRETS =
  /\b(sk_stint_[\w-]+|gsk_[\w-]{8,}|sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{8,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)|((?:bearer|authorization|api[-_]?key|password|passwd|secret|token)["']?\s*[:=]\s*["']?)(?:bearer\s+)?[^\s"',;}]{6,}|(\w+:\/\/[^\s/:@]+:)[^\s@/]+(?=@)/gi

export const redact = (text: string): string =>
  text.replace(SECRETS, (_, key?: string, before?: string, url?: string) =>
    key ? '[secret]' : `${before ?? url ?? ''}[secret]`,
  )
