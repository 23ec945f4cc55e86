import { spawnSync } from "node:child_process"
import { mkdirSync, statfsSync } from "node:fs"
import os from "node:os"
import { Effect } from "effect"

/** Kept in memory, as far as it is used: more than a run of an hour writes. */
const ROOM = 6 * 2 ** 30

const mount = (options: ReadonlyArray<string>, folder: string) =>
  spawnSync("mount", [...options, folder], { stdio: "ignore" }).status === 0

/**
 * A file system of one's own at `folder`, which can be made full. Undefined where there is none to be had: not root, no
 * tmpfs, or too little memory; the folder is then an ordinary one.
 */
export const ownDisk = (folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(folder, { mode: 0o711 })
      if (os.freemem() < ROOM || !mount(["-t", "tmpfs", "-o", `size=${ROOM},mode=0711`, "tmpfs"], folder))
        return undefined
      const resize = (bytes: number) => mount(["-o", `remount,size=${bytes}`], folder)
      return {
        /** Not a page more than is there at this moment: what grows is told that no space is left. */
        fill: () => {
          const { bfree, blocks, bsize } = statfsSync(folder)
          return resize((blocks - bfree) * bsize)
        },
        free: () => resize(ROOM)
      }
    }),
    (disk) =>
      Effect.sync(() => {
        if (disk === undefined) return
        const unmount = (flags: ReadonlyArray<string>) =>
          spawnSync("umount", [...flags, folder], { stdio: "ignore" }).status === 0
        if (!unmount([])) unmount(["-l"])
      })
  )
