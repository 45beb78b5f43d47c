// What the explorer says of the figure: how much of the job is drawn, what is not and why, what is selected and picked.

((explorer) => {
    // How many of the evaluations within the limits the figure shows, and why it does not show the others.
    function counted({ points, view, match, axes, gd }) {
        const { xaxis, yaxis } = gd._fullLayout;
        const within = (value, [from, to]) => value >= from && value <= to;
        const found = { drawn: 0, unplaced: 0, outside: 0 };
        for (let row = 0; row < points.count; row++) {
            if (match[row] && !(Number.isFinite(axes.px[row]) && Number.isFinite(axes.py[row]))) {
                found.unplaced += 1;
            } else if (match[row]) {
                const isSeen = within(axes.px[row], xaxis.range) && within(axes.py[row], yaxis.range);
                found[isSeen || view.zoom.length ? "drawn" : "outside"] += 1;
            }
        }
        return found;
    }

    function tell(asked) {
        const { points, view, chosen, cloud } = asked;
        const { groups } = explorer;
        const { drawn, unplaced, outside } = counted(asked);
        const limited = Object.keys(view.limits).length ? " of those within the limits" : "";
        const told = [
            `${groups(drawn)} of ${groups(points.count)} evaluations drawn, `,
            `${groups(asked.front.length)} on the front${limited}.`,
            unplaced ? ` ${groups(unplaced)} have no value on these axes.` : "",
            outside ? ` ${groups(outside)} lie far outside of them: Show all reaches over these too.` : "",
            cloud.works ? "" : " This browser has no WebGL, so only the front is drawn; the table lists all.",
        ];
        explorer.say("explorer-summary", told.join(""));
        const isBrushed = view.brush.length > 0 || Object.keys(view.ranges).length > 0;
        document.getElementById("explorer-brushed").hidden = !isBrushed;
        const selected = chosen.reduce((sum, one) => sum + (one ? 1 : 0), 0);
        explorer.say("explorer-brushed", `${groups(selected)} selected; the others are faint.`);
        explorer.say("explorer-pick-reason", asked.reason);
    }

    Object.assign(explorer, { tell });
})((window.frontierExplorer ||= {}));
