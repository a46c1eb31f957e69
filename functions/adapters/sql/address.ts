/** What the address of a Postgres says of it. */

/** Host and database, for people. @throws Error that says what an address looks like. */
export function placeOf(url: string): string {
  try {
    const { host, pathname } = new URL(url)
    return `Postgres at ${host}${pathname}`
  } catch {
    throw new Error('DATABASE_URL must be like postgres://user:password@host:5432/database')
  }
}

/** A database that speaks Neon's HTTP protocol. */
export const isNeon = (url: string): boolean => URL.canParse(url) && /(^|\.)neon\.tech$/i.test(new URL(url).hostname)
