import type { ImagePreprocessing } from '../../inference-container/tasks/picture.ts';

/** How a photograph is brought to what the network sees: its subject, small and grey, light on black. */
export const imagePreprocessing: ImagePreprocessing = {
  kind: 'image',
  ...{ width: 28, height: 28, channels: 1, fit: 'contain', layout: 'nchw', mean: [0, 0, 0], std: [1, 1, 1] },
  subject: { margin: 0 },
};
