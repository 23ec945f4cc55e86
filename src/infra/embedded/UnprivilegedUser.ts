import { spawnSync } from "node:child_process"
import { chownSync, existsSync, statSync } from "node:fs"
import path from "node:path"

/** How to run a program that refuses to run as root, such as Postgres. */
export interface RunAs {
  /** The command and its arguments, changed where a helper has to run it. */
  readonly wrap: (
    command: string,
    args: ReadonlyArray<string>
  ) => { readonly command: string; readonly args: ReadonlyArray<string> }
  /** For `spawn`; `undefined` runs it as we are. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined
  /** Hands a file or folder over to that user. */
  readonly give: (file: string) => void
}

const asIs: RunAs = { wrap: (command, args) => ({ command, args }), user: undefined, give: () => {} }

const idOf = (name: string) => {
  const id = (flag: string) => {
    const { status, stdout } = spawnSync("id", [flag, name], { encoding: "utf8" })
    return status === 0 ? Number(stdout) : undefined
  }
  const uid = id("-u")
  const gid = id("-g")
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}

/** May user `uid` pass through every folder above `file`? Looks at mode bits only. */
const canReach = (uid: number, file: string): boolean => {
  const parent = path.dirname(file)
  const { mode, uid: owner } = statSync(parent)
  const passes = (mode & 0o001) !== 0 || (owner === uid && (mode & 0o100) !== 0)
  return passes && (parent === file || parent === path.dirname(parent) || canReach(uid, parent))
}

const ownerOf = (folder: string) => {
  if (!existsSync(folder)) return undefined
  const { uid, gid } = statSync(folder)
  return uid === 0 ? undefined : { uid, gid }
}

/**
 * As root, the user to run as: the one that owns `data` since an earlier start, `postgres` where the machine has one,
 * else `nobody`; none is created. A checkout under a folder that is closed to others (`/root`, `mktemp -d`) is out of
 * that user's reach, so `setpriv` then leaves the process the one right to pass through folders. `undefined`: root, and
 * no way to run it.
 */
export const unprivileged = (program: string, data: string): RunAs | undefined => {
  if (process.getuid?.() !== 0) return asIs
  const user = ownerOf(data) ?? idOf("postgres") ?? idOf("nobody")
  if (user === undefined || user.uid === 0) return undefined
  const give = (file: string) => chownSync(file, user.uid, user.gid)
  if (canReach(user.uid, program) && canReach(user.uid, data)) return { ...asIs, user, give }
  const become = [
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    "--clear-groups",
    // Without it the right does not count in access(2), by which initdb looks for its sister program.
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override"
  ]
  if (spawnSync("setpriv", [...become, "true"]).status !== 0) return undefined
  return {
    wrap: (command, args) => ({ command: "setpriv", args: [...become, command, ...args] }),
    user: undefined,
    give
  }
}
