package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// histogram is a prometheus.Histogram that can continue from the values of another process.
type histogram struct {
	desc   *prometheus.Desc
	bounds []float64 // of the buckets, rising
	counts []uint64  // of the values up to each bound; at the end, of all
	sum    float64
}

func newHistogram(name, help string, bounds ...float64) *histogram {
	return &histogram{
		desc:   prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil),
		bounds: bounds, counts: make([]uint64, len(bounds)+1),
	}
}

func (h *histogram) observe(value float64) {
	first, _ := slices.BinarySearch(h.bounds, value)
	for i := first; i < len(h.counts); i++ {
		h.counts[i]++
	}
	h.sum += value
}

func (h *histogram) send(to chan<- prometheus.Metric) {
	buckets := make(map[float64]uint64, len(h.bounds))
	for i, bound := range h.bounds {
		buckets[bound] = h.counts[i]
	}
	to <- prometheus.MustNewConstHistogram(h.desc, h.counts[len(h.bounds)], h.sum, buckets)
}
