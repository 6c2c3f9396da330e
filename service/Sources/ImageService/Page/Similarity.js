"use strict";
// A worker: SSIM of two pictures, after Wang, Bovik, Sheikh and Simoncelli 2004, as imgquality(1) has it: a Gaussian of 11 by 11, sigma 1.5,
// K1 0.01, K2 0.03, luma of BT.601, places where the window fits, population moments.

const TAPS = 11;
const kernel = Array.from({length: TAPS}, (_, i) => Math.exp(-((i - 5) ** 2) / (2 * 1.5 ** 2)));
const sum = kernel.reduce((a, b) => a + b);
kernel.forEach((value, i) => { kernel[i] = value / sum; });
const C1 = (0.01 * 255) ** 2, C2 = (0.03 * 255) ** 2;

/// Samples of a picture, upright and as sRGB. The browser scales, where that is asked for.
async function samples(blob, width, height) {
  const options = width ? {resizeWidth: width, resizeHeight: height, resizeQuality: "high"} : {};
  const bitmap = await createImageBitmap(blob, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function isTransparent({data}) {
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

/// Luma of a row on a ground of this grey, the window laid over it from left to right later.
function luma(data, width, y, ground, row) {
  for (let x = 0, i = y * width * 4; x < width; x++, i += 4) {
    const value = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    const alpha = data[i + 3] / 255;
    row[x] = value * alpha + ground * (1 - alpha);
  }
}

// Written out, and the window's halves taken together, as they are equal: loops over taps take three times as long.
const [k0, k1, k2, k3, k4, k5] = kernel;

function across(s, target) {
  for (let x = 0; x < target.length; x++) {
    target[x] = k0 * (s[x] + s[x + 10]) + k1 * (s[x + 1] + s[x + 9]) + k2 * (s[x + 2] + s[x + 8])
      + k3 * (s[x + 3] + s[x + 7]) + k4 * (s[x + 4] + s[x + 6]) + k5 * s[x + 5];
  }
}

function down([r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10], target) {
  for (let x = 0; x < target.length; x++) {
    target[x] = k0 * (r0[x] + r10[x]) + k1 * (r1[x] + r9[x]) + k2 * (r2[x] + r8[x])
      + k3 * (r3[x] + r7[x]) + k4 * (r4[x] + r6[x]) + k5 * r5[x];
  }
}

/// The mean over all places. Of each row the five moments are held as filtered across, for as many rows as the window has: a picture of
/// many megapixels takes no memory beside its samples.
function ssim(a, b, ground) {
  const {width, height} = a, places = width - TAPS + 1;
  const rowA = new Float64Array(width), rowB = new Float64Array(width);
  const products = Array.from({length: 5}, () => new Float64Array(width));
  const ring = Array.from({length: TAPS}, () => Array.from({length: 5}, () => new Float64Array(places)));
  const moments = Array.from({length: 5}, () => new Float64Array(places));
  let total = 0;
  for (let y = 0; y < height; y++) {
    luma(a.data, width, y, ground, rowA);
    luma(b.data, width, y, ground, rowB);
    for (let x = 0; x < width; x++) {
      const p = rowA[x], q = rowB[x];
      products[0][x] = p;
      products[1][x] = q;
      products[2][x] = p * p;
      products[3][x] = q * q;
      products[4][x] = p * q;
    }
    for (let m = 0; m < 5; m++) across(products[m], ring[y % TAPS][m]);
    if (y < TAPS - 1) continue;
    for (let m = 0; m < 5; m++) down(Array.from(ring, (_, k) => ring[(y + 1 + k) % TAPS][m]), moments[m]);
    const [meanA, meanB, squareA, squareB, product] = moments;
    for (let x = 0; x < places; x++) {
      const ma = meanA[x], mb = meanB[x];
      const varianceA = squareA[x] - ma * ma, varianceB = squareB[x] - mb * mb, covariance = product[x] - ma * mb;
      total += ((2 * ma * mb + C1) * (2 * covariance + C2)) / ((ma * ma + mb * mb + C1) * (varianceA + varianceB + C2));
    }
  }
  return total / (places * (height - TAPS + 1));
}

onmessage = async ({data: {before, after}}) => {
  try {
    const b = await samples(after);
    if (b.width < TAPS || b.height < TAPS) throw new Error(`needs ${TAPS} pixels a side`);
    let a = await samples(before);
    const isScaled = a.width !== b.width || a.height !== b.height;
    if (isScaled) a = await samples(before, b.width, b.height);
    // As imgquality: where one has alpha both are laid on black and on white, and the worse counts.
    const grounds = isTransparent(a) || isTransparent(b) ? [0, 255] : [0];
    postMessage({ssim: Math.min(...grounds.map((ground) => ssim(a, b, ground))), isScaled});
  } catch (error) {
    postMessage({fault: error.message});
  }
};
