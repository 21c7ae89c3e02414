import type { Image } from '../../functions/services/registry.ts';
import { environment } from '../../inference-container/environment.ts';

/**
 * What the image of the model server says of how it is run: as a user without a name, so that any base will do, and with every file
 * read-only. The Dockerfile says the same.
 */
export const runtime = {
  Env: [
    'PORT=8080',
    'MODEL_DIR=/models',
    'CACHE_DIR=/tmp/models',
    'NODE_ENV=production',
    ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
  ],
  Entrypoint: ['node'],
  Cmd: ['main.js'],
  WorkingDir: '/app',
  User: '1000:1000',
  ExposedPorts: { '8080/tcp': {} },
};

/** An image that runs the model server, whatever it ran before: of a base's own settings only the path of its programs is kept. */
export function asServer(image: Image): Image {
  const path = (image.config.config?.Env ?? []).filter((entry) => entry.startsWith('PATH='));
  return { ...image, config: { ...image.config, config: { ...runtime, Env: [...path, ...runtime.Env] } } };
}

/** The image that others start from where there is no base image: no layers, and Node as the machine has it. */
export const scratch: Image = asServer({
  digest: '',
  manifest: { schemaVersion: 2, config: { mediaType: '', digest: `sha256:${'0'.repeat(64)}`, size: 0 }, layers: [] },
  config: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } },
});
