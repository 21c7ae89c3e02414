/** How a network of pictures is trained. Every number was chosen on the validation split of Fashion-MNIST (docs/pictures.md). */
export interface ImageRecipe {
  filters: [number, number];
  hidden: number;
  epochs: number;
  batch: number;
  /** The greatest; it rises to that for a part of the steps, and falls to zero. */
  rate: number;
  rise: number;
  decay: number;
  dropHidden: number;
  smoothing: number;
  /** Pictures are mirrored: not where left and right differ in what they mean. */
  flip: boolean;
  /** Pictures are moved by up to so many pixels. */
  shift: number;
  /** The share of a batch that is no picture of any class: it is to be of all alike. */
  outside: number;
}

export const imageRecipe: ImageRecipe = {
  filters: [16, 32],
  hidden: 128,
  epochs: 40,
  batch: 128,
  rate: 0.003,
  rise: 0.2,
  decay: 0.01,
  dropHidden: 0.3,
  smoothing: 0.05,
  flip: true,
  shift: 1,
  outside: 0.1,
};
