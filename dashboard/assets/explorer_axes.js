// Where points lie: the values of the two axes, how far the axes reach, and which colour a third value has.

((explorer) => {
    const MARGIN = 0.04;
    // An axis leaves out the highest half percent where they would take more than a third of it: diverged losses do.
    const OUTLYING = 0.995;
    const FAINT = 26;
    const STRONG = 150;

    // Values in axis units, and as WebGL places them: logarithms on a log axis.
    function placed(points, name, scale, quantity) {
        const values = points.values(name).map((value) => value / quantity.scale);
        return { values, places: scale === "log" ? values.map((value) => Math.log10(value)) : values };
    }

    function axes(points, view, quantities) {
        const x = placed(points, view.x, view.xscale, quantities[view.x]);
        const y = placed(points, view.y, view.yscale, quantities[view.y]);
        return { x: x.values, y: y.values, px: x.places, py: y.places };
    }

    // The range of an axis as plotly has it; `whole` reaches over the outlying values too.
    function range(points, name, scale, quantity, whole) {
        const known = points.sorted(name);
        const usable = scale === "log" ? known.filter((value) => value > 0) : known;
        if (!usable.length) {
            return [0, 1];
        }
        const [least, most] = [usable[0], usable[usable.length - 1]];
        const usual = usable[Math.floor(OUTLYING * (usable.length - 1))];
        const end = !whole && most - least > 1.5 * (usual - least) && usual > least ? usual : most;
        const [low, high] = [least, end].map((value) =>
            scale === "log" ? Math.log10(value / quantity.scale) : value / quantity.scale,
        );
        const room = MARGIN * (high - low) || MARGIN * Math.abs(high) || 0.5;
        return [low - room, high + room];
    }

    function rgb(colour) {
        return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    }

    // The limits of the colour scale: all but the outermost hundredths.
    function colourSpan(points, name, quantity) {
        const known = points.sorted(name);
        const at = (share) => known[Math.floor(share * (known.length - 1))] / quantity.scale;
        return known.length ? [at(0.01), at(0.99)] : [0, 1];
    }

    // Each point's own colour, before anything is filtered: red, green, blue of every row.
    function colours(points, view, start) {
        const found = new Uint8Array(4 * points.count);
        const { fidelity, state } = points.columns;
        const [plain, infeasible, tuned] = ["evaluated", "infeasible", "tuned"].map((name) => rgb(start.colours[name]));
        const scale = start.colour_scale.map(rgb);
        const values = view.colour && points.values(view.colour);
        const quantity = start.quantities[view.colour];
        const [low, high] = view.colour ? colourSpan(points, view.colour, quantity) : [0, 1];
        for (let row = 0; row < points.count; row++) {
            let ink = state[row] === 1 ? infeasible : fidelity[row] === 1 ? tuned : plain;
            if (view.colour && Number.isFinite(values[row])) {
                const share = (values[row] / quantity.scale - low) / (high - low || 1);
                ink = scale[Math.min(scale.length - 1, Math.max(0, Math.floor(share * scale.length)))];
            }
            [found[4 * row], found[4 * row + 1], found[4 * row + 2]] = ink;
        }
        return found;
    }

    // Puts the opacity into `ink`: none where filtered, little where not selected.
    function fade(ink, match, chosen, places) {
        for (let row = 0; row < match.length; row++) {
            const seen = match[row] && Number.isFinite(places.px[row]) && Number.isFinite(places.py[row]);
            ink[4 * row + 3] = seen ? (chosen[row] ? STRONG : FAINT) : 0;
        }
    }

    Object.assign(explorer, { axes, range, rgb, colourSpan, colours, fade });
})((window.frontierExplorer ||= {}));
