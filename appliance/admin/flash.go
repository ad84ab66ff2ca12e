package admin

import "github.com/prometheus/client_golang/prometheus"

// flashDescs are of a second tier, beside memcached_extstore_*.
type flashDescs struct{ debtBytes, debtPages *prometheus.Desc }

func newFlashDescs() flashDescs {
	return flashDescs{
		debtBytes: prometheus.NewDesc("panda_flash_compaction_debt_bytes", "Bytes of full pages of flash that are no values: of dead ones, padding and gaps. Compaction gives them back.", nil, nil),
		debtPages: prometheus.NewDesc("panda_flash_compaction_debt_pages", "Pages of flash that wait for compaction: 0, as long as enough pages are free.", nil, nil),
	}
}

func (d *flashDescs) describe(out chan<- *prometheus.Desc) {
	out <- d.debtBytes
	out <- d.debtPages
}

func (d *flashDescs) add(f *Flash, add adder) {
	add(d.debtBytes, gauge, float64(f.DebtBytes))
	add(d.debtPages, gauge, float64(f.DebtPages))
}
