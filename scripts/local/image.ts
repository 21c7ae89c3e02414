import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ImageConfig, Registry } from '../../functions/services/registry.ts';
import { pathInside, unpackLayer } from './layer.ts';

/** An image's layers, unpacked one over the other. */
export interface Unpacked {
  root: string;
  config: ImageConfig;
}

/** Pulls an image by digest and unpacks it below `cache`, once. */
export async function unpackImage(registry: Registry, digest: string, cache: string): Promise<Unpacked> {
  const image = await registry.image(digest);
  if (!image) throw new Error(`the registry has no image ${digest}`);
  const root = join(cache, digest.replace(':', '-'));
  if (!existsSync(root)) {
    // Beside it, then renamed: half an image is never run.
    await mkdir(cache, { recursive: true });
    const draft = await mkdtemp(`${root}.`);
    try {
      for (const { digest: layer, mediaType } of image.manifest.layers)
        await unpackLayer(await registry.blob(layer), draft, /[+.]gzip$/.test(mediaType));
      await rename(draft, root);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      // Where the other slot was first, its copy serves both.
      if (!existsSync(root)) throw error;
    }
  }
  return { root, config: image.config };
}

/**
 * What to start for an image: its command, with the paths that it has mapped below `root` (there is no chroot without root's
 * rights), and Node as this machine has it.
 */
export function commandOf({ root, config }: Unpacked): { args: string[]; cwd: string; environment: NodeJS.ProcessEnv } {
  const { Entrypoint, Cmd, Env, WorkingDir } = config.config ?? {};
  const mapped = (text: string) => (text.startsWith('/') ? (pathInside(root, text) ?? text) : text);
  const [command = '', ...args] = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  if (basename(command) !== 'node')
    throw new Error(`the image runs ${command || 'nothing'}; only node can be run here`);
  const environment = Object.fromEntries(
    (Env ?? [])
      .filter((entry) => !entry.startsWith('PATH='))
      .map((entry) => {
        const at = entry.indexOf('=');
        return [entry.slice(0, at), mapped(entry.slice(at + 1))];
      }),
  );
  const folder = WorkingDir || '/';
  const cwd = pathInside(root, folder) ?? root;
  return { args: args.map((arg) => pathInside(root, `${folder}/${arg}`) ?? mapped(arg)), cwd, environment };
}
