// How a number reads in the explorer: as numbers.py writes it.

((explorer) => {
    const UNKNOWN = "–";
    const SPACE = "\u00a0";
    const THIN = "\u202f";

    function significant(value, digits = 3) {
        if (value === null || value === undefined || Number.isNaN(value)) {
            return UNKNOWN;
        }
        if (value === 0 || !Number.isFinite(value)) {
            return String(value);
        }
        return value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
    }

    function count(value) {
        if (Math.abs(value) < 1e6) {
            return String(Math.trunc(value)).replace(/\B(?=(\d{3})+$)/g, THIN);
        }
        return Math.abs(value) < 1e9 ? `${significant(value / 1e6)}${SPACE}M` : `${significant(value / 1e9)}${SPACE}G`;
    }

    const TEXTS = {
        loss: (value) => value.toFixed(4),
        latency: (value) => significant(value),
        count,
        bytes: (value) => `${significant(value / 2 ** 20)}${SPACE}MiB`,
    };

    // A value of a quantity's kind in words, without the unit of a latency.
    function text(kind, value) {
        return value === null || value === undefined || Number.isNaN(value) ? UNKNOWN : TEXTS[kind](value);
    }

    // A predicted latency with its interval, all three to the decimals of the value.
    function interval(value, low, high) {
        const written = text("latency", value);
        if (written === UNKNOWN || Number.isNaN(low) || Number.isNaN(high)) {
            return written;
        }
        const decimals = (written.split(".")[1] || "").length;
        return `${written} [${low.toFixed(decimals)}, ${high.toFixed(decimals)}]`;
    }

    // A value with its unit, for a sentence.
    function spoken(quantity, value) {
        return text(quantity.kind, value) + (quantity.kind === "latency" ? `${SPACE}ms` : "");
    }

    // To as many digits as it was sent with.
    const short = (value) => Number(Number(value).toPrecision(7));

    Object.assign(explorer, { significant, groups: count, text, interval, spoken, short });
})((window.frontierExplorer ||= {}));
