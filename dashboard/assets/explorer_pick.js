// Pick for me: one of the front by a rule, with the reason in a sentence.

((explorer) => {
    // What is to be good and what it costs: the loss and the other axis, or the y and the x axis.
    function sides(view) {
        const cost = view.y === "val_loss" ? view.x : view.x === "val_loss" ? view.y : view.x;
        return { quality: cost === view.x ? view.y : view.x, cost };
    }

    function lowest(rows, values) {
        return rows.reduce((best, row) => (best < 0 || values[row] < values[best] ? row : best), -1);
    }

    // The member farthest below the line between the two ends of the front, both axes scaled to the front's own reach.
    function knee(rows, quality, cost) {
        const [cheap, good] = [lowest(rows, cost), lowest(rows, quality)];
        const [across, up] = [cost[good] - cost[cheap], quality[cheap] - quality[good]];
        if (!(across > 0 && up > 0)) {
            return { row: good, gain: 0 };
        }
        const below = (row) => 1 - (cost[row] - cost[cheap]) / across - (quality[row] - quality[good]) / up;
        const row = rows.reduce((best, one) => (below(one) > below(best) ? one : best), cheap);
        return { row, cheap, good };
    }

    const RULES = {
        knee(rows, quality, cost, words) {
            const { row, cheap, good } = knee(rows, quality, cost);
            if (cheap === undefined || row === cheap || row === good) {
                return { row, reason: "The front has no bend: this is its end with the best quality." };
            }
            const [saved, lost] = [words.cost(cost[good] - cost[row]), words.quality(quality[row] - quality[good])];
            return {
                row,
                reason:
                    `The knee, where the front bends most: against the best ${words.qualityLabel} it saves ${saved} in ` +
                    `${words.costLabel} for ${lost} more ${words.qualityLabel}; going further down costs ever more.`,
            };
        },
        cheapest(rows, quality, cost, words, percent) {
            const best = quality[lowest(rows, quality)];
            const limit = best + (Math.abs(best) * percent) / 100;
            const row = lowest(rows.filter((one) => quality[one] <= limit), cost);
            return {
                row,
                reason:
                    `The lowest ${words.costLabel} (${words.cost(cost[row])}) of all within ${percent}\u00a0% of the best ` +
                    `${words.qualityLabel}: ${words.quality(quality[row])} against ${words.quality(best)}.`,
            };
        },
        under(rows, quality, cost, words, limit) {
            const kept = rows.filter((one) => cost[one] <= limit * words.costScale);
            const row = lowest(kept, quality);
            const told = words.cost(limit * words.costScale);
            return row < 0
                ? { row, reason: `None of the front has ${words.costLabel} of ${told} or less.` }
                : {
                      row,
                      reason:
                          `The best ${words.qualityLabel} (${words.quality(quality[row])}) of the ${kept.length} of the ` +
                          `front with ${words.costLabel} up to ${told}; it takes ${words.cost(cost[row])}.`,
                  };
        },
    };

    // The row that the view's rule picks, -1 for none, and why.
    function picked(points, view, front, quantities) {
        const [rule, number] = view.pick.split(":");
        if (!rule) {
            return { row: -1, reason: "" };
        }
        const { quality, cost } = sides(view);
        const [good, dear] = [points.values(quality), points.values(cost)];
        const rows = front.filter((row) => Number.isFinite(good[row]) && Number.isFinite(dear[row]));
        if (!rows.length) {
            return { row: -1, reason: "There is no front to pick from within these limits." };
        }
        const words = {
            quality: (value) => explorer.spoken(quantities[quality], value),
            cost: (value) => explorer.spoken(quantities[cost], value),
            qualityLabel: quantities[quality].label.toLowerCase(),
            costLabel: quantities[cost].label.toLowerCase(),
            costScale: quantities[cost].scale,
        };
        return RULES[rule](rows, good, dear, words, Number(number));
    }

    Object.assign(explorer, { picked });
})((window.frontierExplorer ||= {}));
